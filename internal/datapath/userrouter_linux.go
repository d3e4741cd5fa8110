package datapath

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"pathmtu/internal/router"
)

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
	// ask are ports that receive Neighbor Solicitations for Own addresses,
	// and asks the ports that they belong to.
	ask  []Port
	asks []int
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
	u.fwd.asking = u.asks
	if u.loop, err = NewLoop(u.fwd, slices.Concat(u.ports, u.ask)...); err != nil {
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
	if u.local, err = NewLocalSet(); err != nil && !u.withoutBPF(err) {
		return err
	}
	if u.k, err = OpenKernel(u.local); err != nil {
		return err
	}
	if !u.cfg.FastPath {
		return nil
	}
	if err := fastRoutes(u.cfg); err != nil {
		return err
	}
	for _, s := range u.cfg.Ports {
		if s.Kind == KindAFXDP && !forwards(s.Name) {
			return &NotSupportedError{Feature: "XDP fast path", Reason: fmt.Sprintf("the kernel looks routes up only where forwarding is on: set net.ipv6.conf.%s.forwarding to 1 and net.ipv6.conf.all.forwarding to 1", s.Name)}
		}
	}
	if u.feat, err = openXDPFeatures(); err != nil {
		return err
	}
	u.fast, err = NewFastPath()
	return err
}

// fastRoutes checks that the kernel's table, which the fast path looks into,
// holds all routes.
func fastRoutes(cfg UserRouterConfig) error {
	if cfg.FastPath && (!cfg.KernelRoutes || len(cfg.Routes) > 0) {
		return &NotSupportedError{Feature: "XDP fast path", Reason: "it looks routes up in the kernel's table: use KernelRoutes, and enter static routes there"}
	}
	return nil
}

// withoutBPF reports that the router can do without eBPF programs, which a
// user namespace may not load: AF_PACKET ports then see all packets, and so
// does the kernel, which therefore must not forward.
func (u *UserRouter) withoutBPF(err error) bool {
	u.local = nil
	if !errors.Is(err, errors.ErrUnsupported) || u.cfg.FastPath {
		return false
	}
	for _, s := range u.cfg.Ports {
		if s.Kind == KindAFXDP || s.Kind == KindAFPacket && forwards(s.Name) {
			return false
		}
	}
	return true
}

// forwards reports whether the kernel forwards what comes in on an interface.
func forwards(name string) bool {
	b, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + name + "/forwarding")
	return err == nil && strings.TrimSpace(string(b)) != "0"
}

func (u *UserRouter) openPort(s PortSpec) (p Port, err error) {
	switch s.Kind {
	case KindTUN:
		return OpenTUN(TUNConfig{Name: s.Name, MTU: s.MTU})
	case KindAFPacket:
		p, err = OpenAFPacket(AFPacketConfig{Interface: s.Name, Local: u.local, NoShield: u.local == nil})
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
	if err == nil && len(s.Own) > 0 && u.cfg.Local != nil {
		var ask Port
		if ask, err = OpenAFPacket(AFPacketConfig{Interface: s.Name, RingBytes: 1 << 20, Solicitations: s.Own}); err == nil {
			u.ask, u.asks = append(u.ask, ask), append(u.asks, len(u.ports))
		}
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// refreshMTUs follows changes of interface MTUs, and of which interfaces can
// send XDP frames, and tells the fast path. It runs in the loop's goroutine, or before it starts.
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
			_ = u.fast.SetPolicy(u.infos[i].Index, s.Policy.ProcessesMinPMTU())
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
	if err := fastRoutes(cfg); err != nil {
		return err
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
	for _, p := range slices.Concat(u.ports, u.ask) {
		errs = append(errs, p.Close())
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
