package compare

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"pathmtu/internal/ip6"
	"pathmtu/internal/pathsim"
	"pathmtu/internal/router"
	"pathmtu/truncate"
)

// Filter says which Packet Too Big messages never arrive.
type Filter string

// Filters.
const (
	Delivered       Filter = "delivered" // all arrive
	RoutersFiltered Filter = "routers"   // those of routers are dropped near the router
	AllFiltered     Filter = "all"       // all are dropped near the source, the destination's too
)

// Addresses of the two hosts; routers have 2001:db8:f:N::1.
var (
	sourceAddr = netip.MustParseAddr("2001:db8:a::1")
	destAddr   = netip.MustParseAddr("2001:db8:b::1")
)

// link joins two neighbours, both ways alike.
type link struct {
	mtu     int
	delay   time.Duration
	loss    float64
	rng     [2]*rand.Rand // by direction
	dropHBH bool          // packets with a Hop-by-Hop header vanish
	dropDO  bool          // packets with a Destination Options header vanish
}

// network carries packets along a chain; router i stands between links i and i+1.
type network struct {
	sim     *pathsim.Sim
	links   []link
	routers []*router.Router
	filter  Filter
	toSrc   func([]byte)
	toDst   func([]byte)
	icmp    int // errors that routers or the destination sent
}

const (
	right = iota // away from the source
	left
)

// takesPart says what one router does beyond RFC 8200.
type takesPart struct{ hbh, truncate bool }

func newNetwork(sim *pathsim.Sim, links []link, part []takesPart, filter Filter) (*network, error) {
	n := &network{sim: sim, links: links, filter: filter}
	for i := range links {
		for dir := range links[i].rng {
			links[i].rng[dir] = sim.Rand(fmt.Sprintf("loss/%d/%d", i, dir))
		}
	}
	table, err := router.NewTable([]router.Route{
		{Prefix: netip.PrefixFrom(sourceAddr, 64).Masked(), Out: 0},
		{Prefix: netip.PrefixFrom(destAddr, 64).Masked(), Out: 1},
	})
	if err != nil {
		return nil, err
	}
	for i, p := range part {
		cfg := router.Config{Truncate: truncate.Router{}}
		for k := range 2 {
			port := router.Port{Name: fmt.Sprint(k), MTU: links[i+k].mtu, Addr: routerAddr(i), Truncate: p.truncate}
			if p.hbh {
				port.Policy = router.ProcessMinPMTU()
			}
			cfg.Ports = append(cfg.Ports, port)
		}
		r, err := router.New(cfg)
		if err != nil {
			return nil, err
		}
		r.SetTable(table)
		n.routers = append(n.routers, r)
	}
	return n, nil
}

func routerAddr(i int) netip.Addr {
	a := netip.MustParseAddr("2001:db8:f::1").As16()
	a[7] = byte(i + 1)
	return netip.AddrFrom16(a)
}

// setMTU changes a link's MTU while packets are under way.
func (n *network) setMTU(i, mtu int) {
	n.links[i].mtu = mtu
	if i > 0 {
		n.routers[i-1].SetMTU(1, mtu)
	}
	if i < len(n.routers) {
		n.routers[i].SetMTU(0, mtu)
	}
}

// truth is the path MTU at this moment.
func (n *network) truth() int {
	m := ip6.MaxLen
	for _, l := range n.links {
		m = min(m, l.mtu)
	}
	return m
}

// fromSource and fromDest put a packet on the wire; it belongs to the network
// from then on.
func (n *network) fromSource(p []byte) { n.transmit(0, right, p) }

func (n *network) fromDest(p []byte) { n.transmit(len(n.links)-1, left, p) }

func (n *network) transmit(i, dir int, p []byte) {
	l := &n.links[i]
	switch {
	case len(p) > l.mtu,
		l.dropHBH && p[6] == ip6.ProtoHopByHop,
		l.dropDO && hasDestOpts(p),
		n.filter == AllFiltered && i == 0 && dir == left && isPTB(p),
		l.loss > 0 && l.rng[dir].Float64() < l.loss:
		return
	}
	n.sim.After(l.delay, func() { n.arrive(i, dir, p) })
}

func (n *network) arrive(i, dir int, p []byte) {
	at := i // the router at the far end
	if dir == left {
		at = i - 1
	}
	switch {
	case at < 0:
		n.toSrc(p)
		return
	case at == len(n.routers):
		n.toDst(p)
		return
	}
	in := 0
	if dir == left {
		in = 1
	}
	v := n.routers[at].Forward(p, in, n.sim.Now())
	if len(v.ICMP) > 0 {
		n.icmp++
		if n.filter != RoutersFiltered || !isPTB(v.ICMP) {
			n.leave(at, v.ICMPOut, append([]byte(nil), v.ICMP...))
		}
	}
	if v.Action == router.Forward {
		n.leave(at, v.Out, v.Packet)
	}
}

// leave sends a packet out of a port of router i.
func (n *network) leave(i, port int, p []byte) {
	if port == 0 {
		n.transmit(i, left, p)
		return
	}
	n.transmit(i+1, right, p)
}

// hasDestOpts and isPTB look at packets that this package builds: at most one
// Hop-by-Hop header before.
func hasDestOpts(p []byte) bool {
	if p[6] == ip6.ProtoHopByHop {
		return p[40] == ip6.ProtoDestOpts
	}
	return p[6] == ip6.ProtoDestOpts
}

func isPTB(p []byte) bool {
	return p[6] == ip6.ProtoICMPv6 && p[ip6.HeaderLen] == ip6.TypePacketTooBig
}
