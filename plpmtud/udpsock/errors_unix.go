//go:build unix

package udpsock

import (
	"errors"
	"slices"
	"syscall"
)

func isMessageTooLong(err error) bool { return errors.Is(err, syscall.EMSGSIZE) }

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// pendingErrnos are what kernels make of ICMP errors.
var pendingErrnos = []syscall.Errno{
	syscall.EMSGSIZE, syscall.ECONNREFUSED, syscall.ECONNRESET,
	syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN,
	syscall.EPROTO, syscall.ENOPROTOOPT, syscall.EACCES, syscall.EOPNOTSUPP,
}

func isPending(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) &&
		(slices.Contains(pendingErrnos, errno) || slices.Contains(pendingErrnosOS, errno))
}
