package udpsock

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// Socket options that the windows package does not name (ws2ipdef.h).
const (
	ipDontFragment = 14
	ipv6DontFrag   = 14
	ipPMTUDiscDo   = 1
	ipPMTUDiscProb = 3
)

// families says which IP versions a socket carries.
func families(fd uintptr) (v4, v6 bool, err error) {
	h := windows.Handle(fd)
	sa, err := windows.Getsockname(h)
	if err != nil {
		return false, false, fmt.Errorf("udpsock: getsockname: %w", err)
	}
	switch sa.(type) {
	case *windows.SockaddrInet4:
		return true, false, nil
	case *windows.SockaddrInet6:
		only, err := windows.GetsockoptInt(h, windows.IPPROTO_IPV6, windows.IPV6_V6ONLY)
		if err != nil {
			return false, false, fmt.Errorf("udpsock: IPV6_V6ONLY: %w", err)
		}
		return only == 0, true, nil
	}
	return false, false, fmt.Errorf("udpsock: socket address of type %T, want IPv4 or IPv6", sa)
}

func dfOptions(f Family) (level, discover, dontFrag int) {
	if f == IPv4 {
		return windows.IPPROTO_IP, windows.IP_MTU_DISCOVER, ipDontFragment
	}
	return windows.IPPROTO_IPV6, windows.IPV6_MTU_DISCOVER, ipv6DontFrag
}

func dfSet(fd uintptr, f Family, _ bool) error {
	level, discover, dontFrag := dfOptions(f)
	err := windows.SetsockoptInt(windows.Handle(fd), level, discover, ipPMTUDiscProb)
	if err == nil {
		return nil
	}
	return windows.SetsockoptInt(windows.Handle(fd), level, dontFrag, 1)
}

func dfGet(fd uintptr, f Family, _ bool) (DFState, error) {
	level, discover, dontFrag := dfOptions(f)
	h := windows.Handle(fd)
	if v, err := windows.GetsockoptInt(h, level, discover); err == nil {
		switch v {
		case ipPMTUDiscProb:
			return DFConfirmed, nil
		case ipPMTUDiscDo:
			return DFVetoed, nil
		}
	}
	v, err := windows.GetsockoptInt(h, level, dontFrag)
	switch {
	case err != nil:
		return DFUnread, nil
	case v == 0:
		return DFOff, nil
	}
	return DFConfirmed, nil
}
