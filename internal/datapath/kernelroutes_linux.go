package datapath

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// KernelRoute is a route of the kernel's main IPv6 table, or a local address.
type KernelRoute struct {
	Prefix netip.Prefix
	Type   int        // unix.RTN_UNICAST, RTN_LOCAL, RTN_UNREACHABLE, RTN_PROHIBIT or RTN_BLACKHOLE
	Index  int        // interface
	Next   netip.Addr // invalid: on the link
	Metric int
}

// Routes lists the routes of the namespace, and its own addresses as routes of
// type RTN_LOCAL. Of a route with several next hops the first is listed.
func (k *Kernel) Routes() ([]KernelRoute, error) {
	rs, err := k.h.RouteListFiltered(unix.AF_INET6, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("datapath: list routes: %w", err)
	}
	as, err := localAddrs(k.h)
	if err != nil {
		return nil, err
	}
	out := make([]KernelRoute, 0, len(rs)+len(as))
	for _, a := range as {
		out = append(out, KernelRoute{Prefix: netip.PrefixFrom(a.prefix.Addr(), 128), Type: unix.RTN_LOCAL, Index: a.index})
	}
	for _, r := range rs {
		kr := KernelRoute{Type: r.Type, Index: r.LinkIndex, Metric: r.Priority}
		gw := r.Gw
		if len(r.MultiPath) > 0 {
			kr.Index, gw = r.MultiPath[0].LinkIndex, r.MultiPath[0].Gw
		}
		kr.Next, _ = netip.AddrFromSlice(gw)
		kr.Prefix = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		if r.Dst != nil {
			ip, ok := netip.AddrFromSlice(r.Dst.IP.To16())
			ones, _ := r.Dst.Mask.Size()
			if !ok {
				continue
			}
			kr.Prefix = netip.PrefixFrom(ip, ones)
		}
		if kr.Prefix.Addr().Is6() && !kr.Prefix.Addr().Is4In6() {
			out = append(out, kr)
		}
	}
	return out, nil
}

// Addrs lists the global addresses of an interface of the namespace.
func (k *Kernel) Addrs(index int) ([]netip.Prefix, error) {
	as, err := localAddrs(k.h)
	var out []netip.Prefix
	for _, a := range as {
		if a.index == index && a.prefix.Addr().IsGlobalUnicast() {
			out = append(out, a.prefix)
		}
	}
	return out, err
}
