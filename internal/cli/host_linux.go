package cli

import (
	"fmt"
	"net/netip"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pathmtu/internal/datapath"
	"pathmtu/internal/host"
	"pathmtu/internal/ip6"
	"pathmtu/internal/router"
)

// hostOptions are the flags of "pmtu host".
type hostOptions struct {
	iface    string
	datapath string
	addrs    []string
	mtu      int
	gateway  string
	ports    []uint
	noHBH    bool
	noUDPOpt bool
	noCut    bool

	truncation truncationOptions
}

func newHostCommand() *cobra.Command { return newHostCommandInto(new(hostOptions)) }

// newHostCommandInto keeps its flags in o.
func newHostCommandInto(o *hostOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "host --port INTERFACE --address ADDRESS",
		Short: "Be an IPv6 host in user space that answers measurements",
		Long: `Host owns IPv6 addresses that the kernel does not have, on an interface of this
network namespace, and answers at them: ICMPv6 echo, UDP echo, the Minimum Path MTU
option (RFC 9268), truncated packets with a Packet Too Big
(draft-leddy-6man-truncate), unknown options and headers as RFC 8200 asks.

On afpacket and afxdp interfaces the host answers Neighbor Solicitations for its
addresses itself, and the kernel holds the routes. A tun interface is made by the
verb; every packet that the kernel routes to it reaches the host.`,
		Example: `  pmtu host --port eth0 --address 2001:db8::99
  pmtu host --datapath tun --port echo0 --address 2001:db8:e::1 --mtu 1500`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runHost(cmd, *o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.iface, "port", "", "interface")
	f.StringVar(&o.datapath, "datapath", string(datapath.KindAFPacket), "afpacket, afxdp or tun")
	f.StringArrayVar(&o.addrs, "address", nil, "IPv6 address of the host; may be repeated")
	f.IntVar(&o.mtu, "mtu", 0, "bytes of IP packet; 0: that of the interface")
	f.StringVar(&o.gateway, "gateway", "", "next hop for everything beyond the link; without it, the kernel's routes")
	f.UintSliceVar(&o.ports, "echo-port", []uint{7}, "UDP ports that send everything back")
	f.BoolVar(&o.noUDPOpt, "no-udp-options", false, "do not answer probes in UDP Options")
	f.BoolVar(&o.noHBH, "no-min-pmtu", false, "do not know the option 0x30")
	f.BoolVar(&o.noCut, "no-truncation", false, "do not know truncated packets: answer with a Parameter Problem")
	o.truncation.add(f)
	return cmd
}

// config checks the flags.
func (o hostOptions) config() (cfg datapath.UserRouterConfig, h host.Config, err error) {
	kind, err := datapath.ParseKind(o.datapath)
	if err != nil {
		return cfg, h, usageError{err}
	}
	if o.iface == "" || len(o.addrs) == 0 {
		return cfg, h, usagef("port %q, address %q: both are needed", o.iface, o.addrs)
	}
	for _, s := range o.addrs {
		a, err := netip.ParseAddr(s)
		if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" || a.IsMulticast() || a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() {
			return cfg, h, usagef("address %q: want an IPv6 address that is not link-local", s)
		}
		h.Addrs = append(h.Addrs, a)
	}
	for _, p := range o.ports {
		if p == 0 || p > 65535 {
			return cfg, h, usagef("echo-port %d: want 1 to 65535", p)
		}
		h.EchoPorts = append(h.EchoPorts, uint16(p))
	}
	if o.mtu != 0 && (o.mtu < ip6.MinMTU || o.mtu > 65535) {
		return cfg, h, usagef("mtu %d: want %d to 65535", o.mtu, ip6.MinMTU)
	}
	if h.Truncation, err = o.truncation.reader(); err != nil {
		return cfg, h, err
	}
	h.NoHopByHop, h.NoTruncation, h.NoUDPOptions = o.noHBH, o.noCut, o.noUDPOpt
	cfg.Host = true
	cfg.KernelRoutes = kind != datapath.KindTUN
	cfg.Ports = []datapath.PortSpec{{Name: o.iface, Kind: kind, MTU: o.mtu, Own: h.Addrs}}
	all := netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	switch {
	case o.gateway != "":
		via, err := netip.ParseAddr(o.gateway)
		if err != nil || !via.Is6() {
			return cfg, h, usagef("gateway %q: want an IPv6 address", o.gateway)
		}
		cfg.Routes = append(cfg.Routes, datapath.StaticRoute{Prefix: all, Port: o.iface, Via: via.WithZone("")})
	case kind == datapath.KindTUN:
		cfg.Routes = append(cfg.Routes, datapath.StaticRoute{Prefix: all, Port: o.iface})
	}
	return cfg, h, nil
}

func runHost(cmd *cobra.Command, o hostOptions) error {
	cfg, hc, err := o.config()
	if err != nil {
		return err
	}
	late := &lateHost{}
	cfg.Local = late
	u, err := datapath.OpenUserRouter(cfg)
	if err != nil {
		return datapathError(err)
	}
	defer u.Close()
	_ = dropPrivileges() // best effort: see its documentation
	in := u.Ports()[0]
	hc.LinkMTU, hc.MAC = in.MTU, in.MAC
	if o.mtu != 0 {
		hc.LinkMTU = min(o.mtu, in.MTU)
	}
	hc.Errors = newErrorBudget()
	h, err := host.New(hc)
	if err != nil {
		return err
	}
	late.Host = h
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v on %s (%s, MTU %d): answering\n", cmd.CommandPath(), hc.Addrs, in.Name, in.Kind, hc.LinkMTU)
	if err := u.Run(ctx); err != nil {
		return err
	}
	c := h.Counters()
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d echo requests, %d datagrams echoed, %d answers with Min-PMTU, %d truncated packets, %d ICMPv6 errors\n",
		cmd.CommandPath(), c.Echoes, c.UDPEchoes, c.MinPMTU, c.Truncation.Truncated, c.Errors)
	return nil
}

// lateHost is a host that is made once the interface is open, whose MTU and
// address it needs.
type lateHost struct{ *host.Host }

// newErrorBudget is the token bucket of RFC 4443 section 2.4 (f) with the
// defaults of the router.
func newErrorBudget() func(time.Time) bool {
	b := router.NewBucket(router.Rate{PerSecond: 100, Burst: 50})
	return b.Take
}

// attachHost lets the router answer at the addresses of its TUN ports, which no
// kernel has.
func attachHost(cfg *datapath.UserRouterConfig) error {
	hc := host.Config{LinkMTU: 65535, Errors: newErrorBudget(), NoHopByHop: true, NoTruncation: true}
	for _, s := range cfg.Ports {
		hc.Addrs = append(hc.Addrs, s.Own...)
	}
	if len(hc.Addrs) == 0 {
		return nil
	}
	h, err := host.New(hc)
	if err != nil {
		return usageError{err}
	}
	cfg.Local = h
	return nil
}
