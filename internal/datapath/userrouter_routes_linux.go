package datapath

import (
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"pathmtu/internal/router"
)

// routerConfig is the pure router's configuration, with what the interfaces say.
func (u *UserRouter) routerConfig(cfg UserRouterConfig) (router.Config, error) {
	rc := cfg.Router
	rc.Ports = nil
	for i, s := range cfg.Ports {
		in := u.infos[i]
		rp := router.Port{Name: s.Name, MTU: s.MTU, Addr: s.Addr, Policy: s.Policy, Truncate: s.Truncate, PointToPoint: s.Kind == KindTUN}
		if rp.MTU == 0 {
			rp.MTU = in.MTU
		}
		if rp.MTU > in.MTU {
			return rc, fmt.Errorf("datapath: port %q: MTU %d is larger than the interface's %d", s.Name, rp.MTU, in.MTU)
		}
		if !rp.Addr.IsValid() && s.Kind != KindTUN {
			as, err := u.k.Addrs(in.Index)
			if err != nil {
				return rc, err
			}
			if len(as) > 0 {
				rp.Addr = as[0].Addr()
			}
		}
		rc.Ports = append(rc.Ports, rp)
	}
	return rc, rc.Validate()
}

// table joins the router's own addresses, static routes and the kernel's.
func (u *UserRouter) table(cfg UserRouterConfig) (*router.Table, error) {
	byName := map[string]int{}
	byIndex := map[int]int{}
	var routes []router.Route
	for i, s := range cfg.Ports {
		byName[s.Name] = i
		if s.Kind != KindTUN {
			byIndex[u.infos[i].Index] = i
		}
		for _, a := range s.Own {
			routes = append(routes, router.Route{Prefix: netip.PrefixFrom(a, 128), Kind: router.Local})
		}
	}
	for i, s := range cfg.Routes {
		out, ok := byName[s.Port]
		if !ok && s.Kind == router.Unicast {
			return nil, fmt.Errorf("datapath: route %d: %v: port %q is not one of the router's", i, s.Prefix, s.Port)
		}
		routes = append(routes, router.Route{Prefix: s.Prefix, Kind: s.Kind, Out: out, Next: s.Via})
	}
	if u.k == nil {
		return router.NewTable(routes)
	}
	ks, err := u.k.Routes()
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(ks, func(a, b KernelRoute) int { return a.Metric - b.Metric })
	for _, r := range ks {
		kind, ok := kernelKinds[r.Type]
		out, port := byIndex[r.Index]
		if !ok || kind != router.Local && !cfg.KernelRoutes || kind == router.Unicast && !port {
			continue
		}
		routes = append(routes, router.Route{Prefix: r.Prefix, Kind: kind, Out: out, Next: r.Next})
	}
	return router.NewTable(routes)
}

var kernelKinds = map[int]router.RouteKind{
	unix.RTN_UNICAST: router.Unicast, unix.RTN_LOCAL: router.Local, unix.RTN_UNREACHABLE: router.Unreachable,
	unix.RTN_PROHIBIT: router.Prohibit, unix.RTN_BLACKHOLE: router.Blackhole,
}
