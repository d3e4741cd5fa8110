package udpsock

import (
	"errors"
	"slices"
	"syscall"

	"golang.org/x/sys/windows"
)

func isMessageTooLong(err error) bool { return errors.Is(err, windows.WSAEMSGSIZE) }

func isRefused(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNREFUSED)
}

var pendingErrnos = []syscall.Errno{
	windows.WSAEMSGSIZE, windows.WSAECONNRESET, windows.WSAENETRESET,
	windows.WSAECONNREFUSED, windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH,
}

func isPending(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && slices.Contains(pendingErrnos, errno)
}
