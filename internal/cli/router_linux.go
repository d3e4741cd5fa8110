package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"pathmtu/internal/datapath"
	"pathmtu/internal/rawsock"
)

// routerOptions are the flags of "pmtu router".
type routerOptions struct {
	config   string
	ports    []string
	routes   []string
	datapath string
	truncate bool
	noKernel bool
	metrics  string
	json     bool
}

func newRouterCommand() *cobra.Command {
	var o routerOptions
	cmd := &cobra.Command{
		Use:   "router --port INTERFACE --port INTERFACE",
		Short: "Forward IPv6 in user space, telling the path MTU",
		Long: `Router forwards IPv6 packets between interfaces of this network namespace. It lowers
the Minimum Path MTU Hop-by-Hop option (RFC 9268) to the MTU of the outgoing link,
treats other Hop-by-Hop options as configured (RFC 9673), answers packets that are too
big, and with --truncate cuts packets whose source allows it.

The kernel goes on holding addresses and routes and doing Neighbor Discovery; its own
forwarding may be on or off.

Datapaths:
  xdp       plain packets inside the kernel's XDP hook, the others through AF_XDP.
            Needs forwarding switched on in the kernel, and egress interfaces that
            take XDP frames.
  afxdp     all packets through AF_XDP sockets
  afpacket  all packets through AF_PACKET rings
  tun       TUN interfaces, made by the router, which need --route
  auto      the first of xdp, afxdp and afpacket that works

SIGHUP reads the configuration again; SIGINT and SIGTERM end the router.`,
		Example: `  pmtu router --port eth0 --port eth1
  pmtu router --config router.toml --metrics [::1]:9268
  pmtu router --datapath tun --port a --port b --route 2001:db8:a::/64=a --route 2001:db8:b::/64=b`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runRouter(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.config, "config", "", "TOML file; flags add to it")
	f.StringArrayVar(&o.ports, "port", nil, "interface, or INTERFACE=DATAPATH; may be repeated")
	f.StringArrayVar(&o.routes, "route", nil, "PREFIX=PORT[,NEXTHOP], or PREFIX=unreachable, prohibit or blackhole; may be repeated")
	f.StringVar(&o.datapath, "datapath", pathAuto, "auto, xdp, afxdp, afpacket or tun")
	f.BoolVar(&o.truncate, "truncate", false, "cut packets that are marked as eligible and do not fit")
	f.BoolVar(&o.noKernel, "no-kernel-routes", false, "use only the routes given here")
	f.StringVar(&o.metrics, "metrics", "", "serve Prometheus metrics on a loopback address, as in [::1]:9268, or on unix:/path")
	f.BoolVar(&o.json, "json", false, "print the counters at the end as one JSON object on standard output")
	return cmd
}

// load reads the file, if any, and lets flags add to it.
func (o routerOptions) load(changed func(flag string) bool) (routerPlan, error) {
	var f routerFile
	var err error
	if o.config != "" {
		if f, err = openRouterFile(o.config); err != nil {
			return routerPlan{}, err
		}
	}
	return o.plan(f, changed)
}

// plan lets flags add to a file.
func (o routerOptions) plan(f routerFile, changed func(flag string) bool) (routerPlan, error) {
	for _, p := range o.ports {
		f.Ports = append(f.Ports, parsePortFlag(p))
	}
	for _, r := range o.routes {
		w, err := parseRouteFlag(r)
		if err != nil {
			return routerPlan{}, err
		}
		f.Routes = append(f.Routes, w)
	}
	if changed("datapath") {
		f.Datapath = o.datapath
	}
	if changed("metrics") {
		f.Metrics = o.metrics
	}
	if changed("truncate") {
		f.Truncate.Enabled = o.truncate
	}
	if o.noKernel {
		no := false
		f.KernelRoutes = &no
	}
	return f.plan()
}

func runRouter(cmd *cobra.Command, o routerOptions) error {
	plan, err := o.load(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) {
		fmt.Fprintf(cmd.ErrOrStderr(), cmd.CommandPath()+": "+format+"\n", args...)
	}
	u, err := openRouter(&plan, say)
	if err != nil {
		return datapathError(err)
	}
	defer u.Close()
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if plan.metrics != "" {
		stopMetrics, err := serveMetrics(ctx, plan.metrics, u)
		if err != nil {
			return err
		}
		defer stopMetrics()
	}
	// The same user must go on reading the configuration.
	_ = rawsock.DropCapabilities() // best effort: see its documentation
	for _, in := range u.Ports() {
		say("%s: %s, MTU %d", in.Name, in.Kind, in.MTU)
	}
	if plan.cfg.FastPath {
		say("forwarding in the kernel to: %v", u.FastPorts())
	}
	say("forwarding")
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				if err := reloadRouter(cmd, o, plan, u); err != nil {
					say("not reloaded, going on as before: %v", err)
				} else {
					say("reloaded")
				}
			}
		}
	}()
	err = u.Run(ctx)
	stop()
	<-done
	if err != nil {
		return err
	}
	return reportRouter(cmd.OutOrStdout(), say, u.FinalStats(), o.json)
}

// reloadRouter reads the configuration again and applies it.
func reloadRouter(cmd *cobra.Command, o routerOptions, was routerPlan, u *datapath.UserRouter) error {
	plan, err := o.load(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	if plan.datapath != was.datapath || plan.metrics != was.metrics {
		return errors.New("datapath and metrics can't change while the router runs")
	}
	plan.resolve(was.cfg)
	return u.Reload(plan.cfg)
}

// resolve gives ports what was found out when the router was opened.
func (p *routerPlan) resolve(opened datapath.UserRouterConfig) {
	p.cfg.FastPath, p.cfg.Local = opened.FastPath, opened.Local
	for i := range p.cfg.Ports {
		if p.cfg.Ports[i].Kind == "" && i < len(opened.Ports) {
			p.cfg.Ports[i].Kind = opened.Ports[i].Kind
		}
	}
	ownTUNAddrs(&p.cfg)
}

// openRouter opens the router with the datapath of the plan, or with the first
// that works, and writes into the plan which one.
func openRouter(p *routerPlan, say func(string, ...any)) (*datapath.UserRouter, error) {
	tries := []string{p.datapath}
	if p.datapath == pathAuto {
		tries = []string{pathXDP, string(datapath.KindAFXDP), string(datapath.KindAFPacket)}
		if !p.cfg.KernelRoutes {
			tries = tries[1:]
		}
	}
	var last error
	for i, name := range tries {
		cfg := p.cfg
		cfg.Ports = append([]datapath.PortSpec(nil), p.cfg.Ports...)
		kind := datapath.Kind(name)
		if name == pathXDP {
			kind, cfg.FastPath = datapath.KindAFXDP, true
		}
		open := false // a port whose kind was left to us
		for j := range cfg.Ports {
			if cfg.Ports[j].Kind == "" {
				cfg.Ports[j].Kind, open = kind, true
			}
		}
		if p.datapath == pathAuto && !open && name != string(datapath.KindAFPacket) {
			continue // all kinds are given: nothing to choose
		}
		ownTUNAddrs(&cfg)
		if err := attachHost(&cfg); err != nil {
			return nil, err
		}
		u, err := datapath.OpenUserRouter(cfg)
		if err == nil {
			p.cfg = cfg
			return u, nil
		}
		last = err
		if !errors.Is(err, errors.ErrUnsupported) {
			break
		}
		if i+1 < len(tries) {
			say("%v; trying %s", err, tries[i+1])
		}
	}
	return nil, last
}

// ownTUNAddrs makes the address of a TUN port one that the router answers for:
// no kernel does.
func ownTUNAddrs(cfg *datapath.UserRouterConfig) {
	for i := range cfg.Ports {
		if s := &cfg.Ports[i]; s.Kind == datapath.KindTUN && s.Addr.IsValid() {
			s.Own = append(s.Own[:0:0], s.Addr)
		}
	}
}

// datapathError gives a lack of privilege its exit code and says what works
// without it.
func datapathError(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return &labError{code: exitPrivilege, err: fmt.Errorf("%w. It needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF; without them: run it in a user namespace (unshare --map-root-user --net), where AF_PACKET ports work, and TUN ports if /dev/net/tun may be opened", err)}
	}
	return err
}

// reportRouter prints the counters at the end.
func reportRouter(w io.Writer, say func(string, ...any), s datapath.UserRouterStats, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(routerReport(s))
	}
	r := s.Router
	say("%d packets forwarded in user space, %d in the kernel; Min-PMTU lowered in %d and %d; %d truncated; %d Packet Too Big",
		r.Reasons[0], s.Fast.Forwarded, r.MinPMTU.Lowered, s.Fast.Rewritten, r.Truncated, r.ICMPSent[2])
	return nil
}
