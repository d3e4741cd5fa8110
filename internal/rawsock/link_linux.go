package rawsock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/mdlayher/socket"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// LinkTo asks the kernel's routing table by which link packets from src (the
// zero Addr: any) to dst leave. The MTU is the link's, not what the kernel
// believes of the path.
func LinkTo(src, dst netip.Addr) (Link, error) {
	local, err := sourceFor(src, dst)
	if err != nil {
		return Link{}, err
	}
	index := 0
	if dst.Zone() != "" {
		zone, err := zoneIndex(dst.Zone())
		if err != nil {
			return Link{}, err
		}
		index = int(zone)
	} else {
		routes, err := netlink.RouteGetWithOptions(net.IP(dst.AsSlice()), &netlink.RouteGetOptions{SrcAddr: ip(src)})
		if err != nil {
			return Link{}, fmt.Errorf("route to %v: %w", dst, err)
		}
		if len(routes) == 0 {
			return Link{}, fmt.Errorf("route to %v: %w", dst, unix.ENETUNREACH)
		}
		index = routes[0].LinkIndex
	}
	i, err := net.InterfaceByIndex(index)
	if err != nil {
		return Link{}, fmt.Errorf("interface %d: %w", index, err)
	}
	return Link{Name: i.Name, MTU: i.MTU, Source: local}, nil
}

func ip(a netip.Addr) net.IP {
	if !a.IsValid() {
		return nil
	}
	return net.IP(a.AsSlice())
}

// sourceFor returns the address that the kernel sends from. Nothing is sent.
func sourceFor(src, dst netip.Addr) (netip.Addr, error) {
	c, err := socket.Socket(domain(dst), unix.SOCK_DGRAM, unix.IPPROTO_UDP, "route", nil)
	if err != nil {
		return netip.Addr{}, err
	}
	defer func() { _ = c.Close() }()
	if src.IsValid() {
		sa, err := sockaddr(src, 0)
		if err == nil {
			err = c.Bind(sa)
		}
		if err != nil {
			return netip.Addr{}, fmt.Errorf("source address %v: %w", src, err)
		}
	}
	const anyPort = 9 // discard: connecting a UDP socket asks the routing table only
	to, err := sockaddr(dst, anyPort)
	if err != nil {
		return netip.Addr{}, err
	}
	if _, err := c.Connect(context.Background(), to); err != nil {
		if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) || errors.Is(err, unix.EADDRNOTAVAIL) {
			return netip.Addr{}, fmt.Errorf("no route to %v: %w", dst, err)
		}
		return netip.Addr{}, fmt.Errorf("route to %v: %w", dst, err)
	}
	sa, err := c.Getsockname()
	if err != nil {
		return netip.Addr{}, err
	}
	return addrPort(sa).Addr(), nil
}

// zoneIndex returns the interface index of an IPv6 zone: a name or a number.
func zoneIndex(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 31); err == nil && n > 0 {
		return uint32(n), nil
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("zone %q: no such interface", zone)
	}
	return uint32(i.Index), nil
}
