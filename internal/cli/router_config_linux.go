package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"pathmtu/hbh"
	"pathmtu/internal/datapath"
	"pathmtu/internal/router"
	"pathmtu/truncate"
)

// routerFile is the configuration file of "pmtu router". Flags add to it.
type routerFile struct {
	Datapath     string           `toml:"datapath"`
	KernelRoutes *bool            `toml:"kernel-routes"`
	Metrics      string           `toml:"metrics"`
	ICMP         routerFileICMP   `toml:"icmp"`
	Truncate     routerFileCut    `toml:"truncate"`
	Ports        []routerFilePort `toml:"port"`
	Routes       []routerFileWay  `toml:"route"`
}

type routerFileRate struct {
	Rate  float64 `toml:"rate"`  // a second
	Burst float64 `toml:"burst"` // at once
}

type routerFileICMP struct {
	PacketTooBig routerFileRate `toml:"packet-too-big"`
	Errors       routerFileRate `toml:"errors"`
}

type routerFileCut struct {
	Enabled      bool    `toml:"enabled"` // on all ports
	Revision     string  `toml:"revision"`
	PacketTooBig *bool   `toml:"packet-too-big"`
	Eligible     *uint8  `toml:"eligible"`
	Truncated    *uint8  `toml:"truncated"`
	Enhanced     *uint8  `toml:"enhanced"`
	Rate         float64 `toml:"rate"`
	Burst        float64 `toml:"burst"`
}

type routerFilePort struct {
	Name          string            `toml:"name"`
	Datapath      string            `toml:"datapath"`
	MTU           int               `toml:"mtu"`
	Address       string            `toml:"address"`
	Truncate      bool              `toml:"truncate"`
	HopByHop      *bool             `toml:"hop-by-hop"`
	Options       map[string]string `toml:"options"`
	MaxOptions    int               `toml:"max-options"`
	ActionBits    bool              `toml:"action-bits"`
	DropMalformed bool              `toml:"drop-malformed"`
}

type routerFileWay struct {
	Prefix string `toml:"prefix"`
	Kind   string `toml:"kind"`
	Port   string `toml:"port"`
	Via    string `toml:"via"`
}

// routerPlan is a checked configuration. Ports without a datapath of their own
// have kind "", for the one that is chosen when the router starts.
type routerPlan struct {
	datapath string // auto, xdp, afxdp, afpacket or tun
	metrics  string
	cfg      datapath.UserRouterConfig
}

// Datapaths of "pmtu router", beside the kinds of ports.
const (
	pathAuto = "auto"
	pathXDP  = "xdp"
)

// openRouterFile reads a configuration from a file.
func openRouterFile(name string) (routerFile, error) {
	r, err := os.Open(name)
	if err != nil {
		return routerFile{}, usagef("configuration %s: %w", name, err)
	}
	defer r.Close()
	return readRouterFile(r, name)
}

// readRouterFile reads a configuration; name is what errors call it.
func readRouterFile(r io.Reader, name string) (f routerFile, err error) {
	meta, err := toml.NewDecoder(r).Decode(&f)
	if err != nil {
		return f, usagef("configuration %s: %w", name, err)
	}
	if keys := meta.Undecoded(); len(keys) > 0 {
		return f, usagef("configuration %s: key %q is not known", name, keys[0].String())
	}
	return f, nil
}

// plan checks everything that can be checked without looking at the system.
func (f routerFile) plan() (p routerPlan, err error) {
	p.datapath = f.Datapath
	if p.datapath == "" {
		p.datapath = pathAuto
	}
	if !slices.Contains([]string{pathAuto, pathXDP, "afxdp", "afpacket", "tun"}, p.datapath) {
		return p, usagef("datapath %q: want auto, xdp, afxdp, afpacket or tun", p.datapath)
	}
	p.metrics = f.Metrics
	if err := checkMetrics(p.metrics); err != nil {
		return p, err
	}
	c := &p.cfg
	c.KernelRoutes = f.KernelRoutes == nil || *f.KernelRoutes
	c.Router.PacketTooBig = router.Rate{PerSecond: f.ICMP.PacketTooBig.Rate, Burst: f.ICMP.PacketTooBig.Burst}
	c.Router.Errors = router.Rate{PerSecond: f.ICMP.Errors.Rate, Burst: f.ICMP.Errors.Burst}
	c.Router.Truncations = router.Rate{PerSecond: f.Truncate.Rate, Burst: f.Truncate.Burst}
	if c.Router.Truncate, err = f.Truncate.router(); err != nil {
		return p, err
	}
	if len(f.Ports) == 0 {
		return p, usagef("no ports: name at least one interface with --port or in the configuration")
	}
	for _, fp := range f.Ports {
		s, err := fp.spec()
		if err != nil {
			return p, usageError{fmt.Errorf("port %q: %w", fp.Name, err)}
		}
		if slices.ContainsFunc(c.Ports, func(o datapath.PortSpec) bool { return o.Name == s.Name }) {
			return p, usagef("port %q is listed twice", s.Name)
		}
		s.Truncate = s.Truncate || f.Truncate.Enabled
		c.Ports = append(c.Ports, s)
	}
	for i, w := range f.Routes {
		r, err := w.route()
		if err != nil {
			return p, usageError{fmt.Errorf("route %d: %w", i+1, err)}
		}
		c.Routes = append(c.Routes, r)
	}
	return p, nil
}

func (f routerFileCut) router() (r truncate.Router, err error) {
	switch f.Revision {
	case "", "T1":
	case "T0":
		r.Revision = truncate.T0
	default:
		return r, usagef("truncate revision %q: want T0 or T1", f.Revision)
	}
	r.NoPTB = f.PacketTooBig != nil && !*f.PacketTooBig
	r.Codes = truncate.DefaultCodes
	for _, c := range []struct {
		to   *uint8
		from *uint8
	}{{&r.Codes.Eligible, f.Eligible}, {&r.Codes.Truncated, f.Truncated}, {&r.Codes.Enhanced, f.Enhanced}} {
		if c.from != nil {
			*c.to = *c.from
		}
	}
	if err := r.Codes.Validate(); err != nil {
		return r, usageError{err}
	}
	return r, nil
}

func (f routerFilePort) spec() (s datapath.PortSpec, err error) {
	if f.Name == "" {
		return s, errors.New("no name")
	}
	s.Name, s.MTU, s.Truncate = f.Name, f.MTU, f.Truncate
	if f.Datapath != "" {
		if s.Kind, err = datapath.ParseKind(f.Datapath); err != nil {
			return s, err
		}
	}
	if f.Address != "" {
		if s.Addr, err = netip.ParseAddr(f.Address); err != nil {
			return s, fmt.Errorf("address %q: want an IPv6 address", f.Address)
		}
	}
	s.Policy = router.ProcessMinPMTU()
	s.Policy.HopByHop = f.HopByHop == nil || *f.HopByHop
	s.Policy.MaxOptions, s.Policy.ActionBits, s.Policy.DropMalformed = f.MaxOptions, f.ActionBits, f.DropMalformed
	for key, value := range f.Options {
		typ, err := strconv.ParseUint(key, 0, 8)
		if err != nil {
			return s, fmt.Errorf("option type %q: want 0 to 255, as in 0x%02x", key, hbh.Type)
		}
		if s.Policy.Options[typ], err = router.ParseTreatment(value); err != nil {
			return s, fmt.Errorf("option type %s: %w", key, err)
		}
	}
	return s, nil
}

func (f routerFileWay) route() (r datapath.StaticRoute, err error) {
	if r.Prefix, err = netip.ParsePrefix(f.Prefix); err != nil || !r.Prefix.Addr().Is6() {
		return r, fmt.Errorf("prefix %q: want an IPv6 prefix, as in 2001:db8::/32", f.Prefix)
	}
	kinds := map[string]router.RouteKind{"": router.Unicast, "unicast": router.Unicast, "unreachable": router.Unreachable,
		"prohibit": router.Prohibit, "blackhole": router.Blackhole}
	var ok bool
	if r.Kind, ok = kinds[f.Kind]; !ok {
		return r, fmt.Errorf("%v: kind %q: want unicast, unreachable, prohibit or blackhole", r.Prefix, f.Kind)
	}
	if r.Port = f.Port; (r.Port == "") != (r.Kind != router.Unicast) {
		return r, fmt.Errorf("%v: a unicast route needs a port, the others have none", r.Prefix)
	}
	if f.Via != "" {
		if r.Via, err = netip.ParseAddr(f.Via); err != nil || !r.Via.Is6() {
			return r, fmt.Errorf("%v: via %q: want an IPv6 address", r.Prefix, f.Via)
		}
		r.Via = r.Via.WithZone("")
	}
	return r, nil
}

// parsePortFlag reads NAME or NAME=DATAPATH.
func parsePortFlag(s string) routerFilePort {
	name, kind, _ := strings.Cut(s, "=")
	return routerFilePort{Name: name, Datapath: kind}
}

// parseRouteFlag reads PREFIX=PORT, PREFIX=PORT,NEXTHOP or PREFIX=KIND.
func parseRouteFlag(s string) (routerFileWay, error) {
	prefix, to, ok := strings.Cut(s, "=")
	if !ok {
		return routerFileWay{}, usagef("route %q: want PREFIX=PORT[,NEXTHOP] or PREFIX=unreachable, prohibit or blackhole", s)
	}
	w := routerFileWay{Prefix: prefix}
	switch to {
	case "unreachable", "prohibit", "blackhole":
		w.Kind = to
	default:
		w.Port, w.Via, _ = strings.Cut(to, ",")
	}
	return w, nil
}

// checkMetrics lets metrics be served to this machine only.
func checkMetrics(s string) error {
	if s == "" || strings.HasPrefix(s, "unix:/") {
		return nil
	}
	host, _, err := net.SplitHostPort(s)
	ip, err2 := netip.ParseAddr(host)
	if err != nil || err2 != nil || !ip.IsLoopback() {
		return usagef("metrics %q: want a loopback address and port, as in [::1]:9268, or unix:/path", s)
	}
	return nil
}
