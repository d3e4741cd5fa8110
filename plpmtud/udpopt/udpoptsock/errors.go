package udpoptsock

import "errors"

// PrivilegeError reports that the process may not open raw sockets, without
// which no datagram can have a surplus area: it needs the capability
// CAP_NET_RAW, in the user namespace of its network namespace. errors.Is with
// fs.ErrPermission holds.
type PrivilegeError struct{ Err error }

func (e *PrivilegeError) Error() string {
	return "udpoptsock: raw sockets need CAP_NET_RAW: " + e.Err.Error()
}

// Unwrap returns the system's error.
func (e *PrivilegeError) Unwrap() error { return e.Err }

// ErrFragmentable reports that nothing certain is known about the Don't Fragment
// bit of a socket: probes that may be fragmented measure nothing.
var ErrFragmentable = errors.New("udpoptsock: Don't Fragment can't be set for certain")
