package udpsock

import "syscall"

// ICMP "source host isolated".
var pendingErrnosOS = []syscall.Errno{syscall.ENONET}
