package udpsock

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// families says which IP versions a socket carries.
func families(fd uintptr) (v4, v6 bool, err error) {
	domain, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return false, false, fmt.Errorf("udpsock: SO_DOMAIN: %w", err)
	}
	switch domain {
	case unix.AF_INET:
		return true, false, nil
	case unix.AF_INET6:
		only, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
		if err != nil {
			return false, false, fmt.Errorf("udpsock: IPV6_V6ONLY: %w", err)
		}
		return only == 0, true, nil
	}
	return false, false, fmt.Errorf("udpsock: socket of address family %d, want AF_INET or AF_INET6", domain)
}

func mtuDiscover(f Family) (level, opt int) {
	if f == IPv4 {
		return unix.IPPROTO_IP, unix.IP_MTU_DISCOVER
	}
	return unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER
}

// dfSet chooses PROBE: unlike DO it ignores the cached path MTU, and unlike
// INTERFACE it sets DF and lets ICMP reach the error queue.
func dfSet(fd uintptr, f Family, _ bool) error {
	level, opt := mtuDiscover(f)
	return unix.SetsockoptInt(int(fd), level, opt, unix.IP_PMTUDISC_PROBE)
}

func dfGet(fd uintptr, f Family, _ bool) (DFState, error) {
	level, opt := mtuDiscover(f)
	v, err := unix.GetsockoptInt(int(fd), level, opt)
	if err != nil {
		return DFOff, err
	}
	switch v {
	case unix.IP_PMTUDISC_PROBE:
		return DFConfirmed, nil
	case unix.IP_PMTUDISC_DO:
		return DFVetoed, nil
	}
	return DFOff, nil
}
