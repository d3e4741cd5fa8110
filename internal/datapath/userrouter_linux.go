package datapath

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"pathmtu/internal/router"
)

// PortSpec describes one port of a UserRouter.
type PortSpec struct {
	Name string
	Kind Kind
	// MTU in bytes overrides that of the interface; 0 follows the interface.
	// A TUN interface gets it.
	MTU int
	// Addr is the source of ICMPv6 errors; invalid: the interface's first
	// global address.
	Addr netip.Addr
	// Own are addresses that no kernel owns: packets to them go to Local. For
	// ports with a link layer the kernel answers Neighbor Solicitations.
	Own      []netip.Addr
	Policy   router.Policy
	Truncate bool
}

// StaticRoute is a route given by the user. It takes precedence over one of
// the kernel for the same prefix.
type StaticRoute struct {
	Prefix netip.Prefix
	Kind   router.RouteKind
	Port   string     // egress, for kind Unicast
	Via    netip.Addr // next hop; invalid: on the link
}

// UserRouterConfig describes a UserRouter.
type UserRouterConfig struct {
	Ports  []PortSpec
	Routes []StaticRoute
	// KernelRoutes also uses the routes of the namespace's main table that
	// leave through AF_PACKET and AF_XDP ports, and follows their changes.
	KernelRoutes bool
	// FastPath forwards plain packets in the kernel's XDP hook, between AF_XDP
	// ports. It needs KernelRoutes, and forwarding switched on in the
	// namespace, since it looks routes up in the kernel's table.
	FastPath bool
	// GenericXDP accepts interfaces whose driver has no XDP hook; slow.
	GenericXDP bool
	// Local gets the packets to the Own addresses of all ports. It may be nil.
	Local Local
	// Host forwards nothing.
	Host bool
	// Router holds budgets and truncation. Its Ports are ignored.
	Router router.Config
}

// UserRouter is a router with all that it needs: ports, the kernel's control
// plane, and the loop between them.
type UserRouter struct {
	cfg   UserRouterConfig
	ports []Port
	infos []Info
	local *LocalSet
	k     *Kernel
	fast  *FastPath
	feat  *xdpFeatures
	r     *router.Router
	fwd   *Forwarding
	loop  *Loop
	proxy []*proxy
}

// OpenUserRouter opens everything in the network namespace of the calling
// thread. Run then works from any thread.
func OpenUserRouter(cfg UserRouterConfig) (_ *UserRouter, err error) {
	if len(cfg.Ports) == 0 {
		return nil, errors.New("datapath: router without ports")
	}
	u := &UserRouter{cfg: cfg}
	defer func() {
		if err != nil {
			_ = u.Close()
		}
	}()
	if err = u.openKernel(); err != nil {
		return nil, err
	}
	for i, s := range cfg.Ports {
		p, err := u.openPort(s)
		if err != nil {
			return nil, fmt.Errorf("port %d: %w", i, err)
		}
		u.ports = append(u.ports, p)
		u.infos = append(u.infos, p.Info())
	}
	rc, err := u.routerConfig(cfg)
	if err != nil {
		return nil, err
	}
	if u.r, err = router.New(rc); err != nil {
		return nil, err
	}
	table, err := u.table(cfg)
	if err != nil {
		return nil, err
	}
	u.r.SetTable(table)
	u.fwd = NewForwarding(u.r, u.k, u.ports...)
	own := map[netip.Addr]bool{}
	for _, s := range cfg.Ports {
		for _, a := range s.Own {
			own[a] = true
		}
	}
	u.fwd.SetLocal(cfg.Local, own, cfg.Host)
	if u.loop, err = NewLoop(u.fwd, u.ports...); err != nil {
		return nil, err
	}
	u.refreshMTUs()
	return u, nil
}

func (u *UserRouter) openKernel() (err error) {
	need := false
	for _, s := range u.cfg.Ports {
		need = need || s.Kind != KindTUN
	}
	if !need {
		if u.cfg.FastPath {
			return errors.New("datapath: FastPath needs AF_XDP ports")
		}
		return nil
	}
	if u.local, err = NewLocalSet(); err != nil {
		return err
	}
	if u.k, err = OpenKernel(u.local); err != nil {
		return err
	}
	if !u.cfg.FastPath {
		return nil
	}
	if !u.cfg.KernelRoutes {
		return errors.New("datapath: FastPath needs KernelRoutes: it looks routes up in the kernel's table")
	}
	if u.feat, err = openXDPFeatures(); err != nil {
		return err
	}
	u.fast, err = NewFastPath()
	return err
}

func (u *UserRouter) openPort(s PortSpec) (p Port, err error) {
	switch s.Kind {
	case KindTUN:
		return OpenTUN(TUNConfig{Name: s.Name, MTU: s.MTU})
	case KindAFPacket:
		p, err = OpenAFPacket(AFPacketConfig{Interface: s.Name, Local: u.local})
	case KindAFXDP:
		p, err = OpenAFXDP(AFXDPConfig{Interface: s.Name, Local: u.local, Fast: u.fast, Generic: u.cfg.GenericXDP})
	default:
		return nil, fmt.Errorf("datapath: port %q: kind %q is not known", s.Name, s.Kind)
	}
	if err != nil {
		return nil, err
	}
	in := p.Info()
	err = u.k.AddInterface(in.Index, in.Name)
	if err == nil && u.fast != nil && s.Kind == KindAFXDP {
		err = u.fast.AddPort(in.Index)
	}
	if err == nil && len(s.Own) > 0 {
		var px *proxy
		if px, err = openProxy(u.k.h, in, s.Own); err == nil {
			u.proxy = append(u.proxy, px)
		}
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

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

// refreshMTUs follows changes of interface MTUs, and of which interfaces can
// send XDP frames. It runs in the loop's goroutine, or before it starts.
func (u *UserRouter) refreshMTUs() {
	for i, p := range u.ports {
		s := u.cfg.Ports[i]
		mtu := p.Info().MTU
		if s.MTU != 0 {
			mtu = min(mtu, s.MTU)
		}
		u.r.SetMTU(i, mtu)
		if u.fast != nil && s.Kind == KindAFXDP {
			if !u.feat.canSend(u.infos[i].Index) {
				mtu = 0
			}
			_ = u.fast.SetMTU(u.infos[i].Index, mtu)
		}
	}
}

// Run forwards until ctx ends, and then returns nil.
func (u *UserRouter) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		u.keepHouse(ctx)
	}()
	err := u.loop.Run(ctx)
	cancel()
	<-done
	return err
}

// keepHouse follows the kernel's routes and the interfaces' MTUs.
func (u *UserRouter) keepHouse(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var changed <-chan struct{}
	if u.k != nil {
		changed = u.k.Changed()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			u.loop.Do(u.refreshMTUs)
		case <-changed:
			u.loop.Do(func() {
				// A list that fails now is made again with the next change.
				if t, err := u.table(u.cfg); err == nil {
					u.r.SetTable(t)
				}
			})
		}
	}
}

// Reload replaces policies, budgets and routes while Run runs. Names and kinds
// of ports must be the same. On error nothing changes.
func (u *UserRouter) Reload(cfg UserRouterConfig) error {
	if len(cfg.Ports) != len(u.cfg.Ports) || cfg.FastPath != u.cfg.FastPath || cfg.GenericXDP != u.cfg.GenericXDP {
		return errors.New("datapath: ports, FastPath and GenericXDP can't change while the router runs")
	}
	for i, s := range cfg.Ports {
		was := u.cfg.Ports[i]
		if s.Name != was.Name || s.Kind != was.Kind {
			return fmt.Errorf("datapath: port %d can't change from %s %q to %s %q while the router runs", i, was.Kind, was.Name, s.Kind, s.Name)
		}
		if !slices.Equal(s.Own, was.Own) {
			return fmt.Errorf("datapath: port %q: addresses %v can't become %v while the router runs", s.Name, was.Own, s.Own)
		}
	}
	rc, err := u.routerConfig(cfg)
	if err != nil {
		return err
	}
	t, err := u.table(cfg)
	if err != nil {
		return err
	}
	if !u.loop.Do(func() {
		if err = u.r.SetConfig(rc); err == nil {
			u.r.SetTable(t)
			u.cfg = cfg
			u.refreshMTUs()
		}
	}) {
		return ErrClosed
	}
	return err
}

// UserRouterStats are all counters of a UserRouter.
type UserRouterStats struct {
	Router     router.Counters
	Forwarding ForwardingStats
	Ports      map[string]Stats
	Fast       FastStats
	Routes     int
}

// Stats returns the counters while Run runs, from any goroutine. False: it has ended.
func (u *UserRouter) Stats() (s UserRouterStats, ok bool) {
	ok = u.loop.Do(func() { s = u.snapshot() })
	return s, ok
}

// FinalStats returns the counters after Run has ended, before Close.
func (u *UserRouter) FinalStats() UserRouterStats { return u.snapshot() }

func (u *UserRouter) snapshot() UserRouterStats {
	s := UserRouterStats{Router: u.r.Counters(), Forwarding: u.fwd.Stats(), Ports: map[string]Stats{}, Routes: u.r.Routes()}
	for i, p := range u.ports {
		s.Ports[u.infos[i].Name] = p.Stats()
	}
	if u.fast != nil {
		s.Fast = u.fast.Stats()
	}
	return s
}

// Ports lists the router's interfaces as they were when it was opened.
func (u *UserRouter) Ports() []Info { return slices.Clone(u.infos) }

// FastPorts lists the interfaces that the fast path can forward to now.
func (u *UserRouter) FastPorts() []string {
	names := map[string]bool{}
	for _, in := range u.infos {
		if u.feat != nil && in.Kind == KindAFXDP && u.feat.canSend(in.Index) {
			names[in.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Close frees everything after Run has ended.
func (u *UserRouter) Close() error {
	var errs []error
	for _, p := range u.ports {
		errs = append(errs, p.Close())
	}
	for _, p := range u.proxy {
		p.close()
	}
	if u.k != nil {
		errs = append(errs, u.k.Close())
	}
	if u.fast != nil {
		errs = append(errs, u.fast.Close())
	}
	u.feat.close()
	if u.local != nil {
		errs = append(errs, u.local.Close())
	}
	if u.loop != nil {
		errs = append(errs, u.loop.Close())
	}
	return errors.Join(errs...)
}
