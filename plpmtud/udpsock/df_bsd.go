//go:build darwin || freebsd

package udpsock

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// families says which IP versions a socket carries.
func families(fd uintptr) (v4, v6 bool, err error) {
	sa, err := unix.Getsockname(int(fd))
	if err != nil {
		return false, false, fmt.Errorf("udpsock: getsockname: %w", err)
	}
	switch sa.(type) {
	case *unix.SockaddrInet4:
		return true, false, nil
	case *unix.SockaddrInet6:
		only, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return false, false, fmt.Errorf("udpsock: IPV6_V6ONLY: %w", err)
		}
		return only == 0, true, nil
	}
	return false, false, fmt.Errorf("udpsock: socket address of type %T, want IPv4 or IPv6", sa)
}

func dontFrag(f Family) (level, opt int) {
	if f == IPv4 {
		return unix.IPPROTO_IP, unix.IP_DONTFRAG
	}
	return unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG
}

func dfSet(fd uintptr, f Family, dual bool) error {
	if f == IPv4 && dual {
		// An IPv6 socket takes no IPPROTO_IP option here; dfGet says whether
		// IPV6_DONTFRAG covers IPv4 as well.
		return nil
	}
	level, opt := dontFrag(f)
	return unix.SetsockoptInt(int(fd), level, opt, 1)
}

func dfGet(fd uintptr, f Family, dual bool) (DFState, error) {
	if f == IPv4 && dual {
		if !v6CoversMapped() {
			return DFOff, nil
		}
		f = IPv6
	}
	level, opt := dontFrag(f)
	v, err := unix.GetsockoptInt(int(fd), level, opt)
	if err != nil {
		return DFOff, err
	}
	if v == 0 {
		return DFOff, nil
	}
	return DFConfirmed, nil
}
