//go:build unix && !linux

package udpsock

import "syscall"

var pendingErrnosOS []syscall.Errno
