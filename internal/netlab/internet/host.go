package internet

import (
	"net/netip"
	"time"

	"pathmtu/results"
)

// Words of Host.PTB.
const (
	PTBNone      = "none"      // there is no bottleneck: everything that the edge carries arrives
	PTBDelivered = "delivered" // the MTU named is right
	PTBLimited   = "limited"   // right, but at most one message a second
	PTBFiltered  = "filtered"  // no message
	PTBLying     = "lying"     // another MTU is named
)

// Host is the truth about one address and the path to it.
type Host struct {
	Addr   netip.Addr `json:"address"`
	Family int        `json:"family"`
	Exists bool       `json:"exists"`
	// Unreachable: for one that doesn't exist, the last router says so.
	Unreachable bool `json:"unreachable,omitempty"`

	MTU     int `json:"mtu"`     // of the way there
	Reverse int `json:"reverse"` // of the way back
	Hops    int `json:"hops"`    // routers before the host

	Bottleneck int        `json:"bottleneck,omitempty"` // hop of the router that drops what is too large; 0: none does
	Router     netip.Addr `json:"router,omitzero"`      // its address
	PTB        string     `json:"ptb"`
	Claim      int        `json:"claim,omitempty"` // the MTU that a lying router names
	// Wider is the MTU of another bottleneck before this one, whose messages are
	// always delivered; 0: there is none.
	Wider     int  `json:"wider,omitempty"`
	WiderHop  int  `json:"wider_hop,omitempty"`
	ShortQuot bool `json:"short_quote,omitempty"`

	RTT time.Duration `json:"rtt_ns"`

	Echo        bool `json:"echo"`
	EchoLimited bool `json:"echo_limited,omitempty"`
	EchoMax     int  `json:"echo_max,omitempty"` // largest echo request answered; 0: any
	ClosedPort  bool `json:"closed_port"`
	QUIC        bool `json:"quic"`
	DNS         bool `json:"dns"`
	HopByHop    bool `json:"hop_by_hop,omitempty"`

	draws draws
	path  draws // of its network
}

// Visible returns the largest packet that the host answers, by the method
// "icmp", "udp", "quic" or "dns"; 0: it answers none.
func (h *Host) Visible(method string) int {
	if !h.Exists {
		return 0
	}
	switch method {
	case "icmp":
		if !h.Echo {
			return 0
		}
		most := h.MTU
		if h.Family == 6 { // an IPv4 answer lacks DF: routers fragment it
			most = min(most, h.Reverse)
		}
		if h.EchoMax != 0 {
			most = min(most, h.EchoMax)
		}
		return most
	case "udp":
		if !h.ClosedPort {
			return 0
		}
	case "quic":
		if !h.QUIC {
			return 0
		}
	case "dns":
		if !h.DNS {
			return 0
		}
	default:
		return 0
	}
	return h.MTU
}

// Verdict returns the verdict that a measurement by one method (see Visible) should
// come to: results.OKSilent wherever no router speaks of the place that carries no
// more, though one before it may, and where the host or the way back is the limit,
// which looks the same from afar.
func (h *Host) Verdict(method string) results.Verdict {
	visible := h.Visible(method)
	switch {
	case visible == 0:
		return results.Unresponsive
	case visible < h.MTU, h.PTB == PTBFiltered:
		return results.OKSilent
	}
	return results.OK
}

// Host returns the truth about an address. It is a pure function of the
// address and the configuration.
func (w *World) Host(a netip.Addr) Host {
	a = a.Unmap()
	c := &w.cfg
	d := drawsOf(c.Seed, a)
	p := drawsOf(c.Seed, network(a))
	h := Host{Addr: a, Family: 6, draws: d, path: p}
	q := w.mtu6
	if a.Is4() {
		h.Family, q = 4, w.mtu4
	}
	h.Exists = d.holds(drawExists, c.Exists)
	h.Unreachable = !h.Exists && d.holds(drawUnreachable, c.Unreachable)
	h.Hops = p.between(drawHops, 3, 16)
	h.RTT = c.DelayLeast + time.Duration(unit(p.at(drawRTT))*float64(c.DelayMost-c.DelayLeast))
	m := d
	if d.holds(drawTogether, c.Together) {
		m = p
	}
	h.MTU = int(q[m.at(drawMTU)>>48])
	h.Reverse = c.Edge
	if d.holds(drawReverse, c.Reverse) {
		h.Reverse = min(h.Reverse, int(q[d.at(drawReverseMTU)>>48]))
	}
	h.PTB = PTBNone
	if h.MTU < c.Edge {
		w.bottleneck(&h, m)
	}
	h.Echo = d.holds(drawEcho, c.Echo)
	h.EchoLimited = h.Echo && d.holds(drawEchoLimited, c.EchoLimited)
	if h.Echo && d.holds(drawEchoCapped, c.EchoCapped) {
		h.EchoMax = d.between(drawEchoCap, 200, 1400)
	}
	h.ClosedPort = d.holds(drawClosedPort, c.ClosedPort)
	h.QUIC = d.holds(drawQUIC, c.QUIC)
	h.DNS = d.holds(drawDNS, c.DNS)
	h.HopByHop = h.Family == 6 && p.holds(drawHopByHop, c.HopByHop)
	return h
}

func (w *World) bottleneck(h *Host, m draws) {
	c := &w.cfg
	h.Bottleneck = m.between(drawBottleneck, 2, h.Hops)
	h.Router = w.router(h, h.Bottleneck)
	h.ShortQuot = h.Family == 4 && m.holds(drawQuote, c.ShortQuote)
	switch x := unit(m.at(drawPTB)); {
	case x < c.Filtered:
		h.PTB = PTBFiltered
	case x < c.Filtered+c.Lying:
		h.PTB, h.Claim = PTBLying, w.lie(h, m)
	case m.holds(drawPTBLimited, c.PTBLimited):
		h.PTB = PTBLimited
	default:
		h.PTB = PTBDelivered
	}
	if h.MTU+1 < c.Edge && m.holds(drawDouble, c.Double) {
		h.Wider = m.between(drawWider, h.MTU+1, c.Edge-1)
		h.WiderHop = h.Bottleneck - 1
	}
}

// lie returns a wrong MTU of one of the kinds that are met.
func (w *World) lie(h *Host, m draws) int {
	claim := h.MTU
	switch m.at(drawLie) % 5 {
	case 0: // knows only RFC 792
		claim = 0
	case 1: // understates
		claim = h.MTU - m.between(drawClaim, 1, 100)
	case 2: // overstates
		claim = h.MTU + m.between(drawClaim, 1, 100)
	case 3: // not smaller than anything
		claim = 65535
	case 4: // smaller than the protocol allows
		claim = m.between(drawClaim, 1, 67)
	}
	if claim == h.MTU {
		claim = 0
	}
	return claim
}

// router returns the address of the router at a hop.
func (w *World) router(h *Host, hop int) netip.Addr {
	x := h.path.at(drawRouter<<8 + uint64(hop))
	if hop == 1 {
		x = 1 // everybody's first hop
	}
	if h.Family == 4 { // shared address space, RFC 6598
		return netip.AddrFrom4([4]byte{100, 64 | byte(x>>16)&63, byte(x >> 8), byte(x)})
	}
	return netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0xff, byte(x >> 40), byte(x >> 32), byte(x >> 24), 14: byte(x >> 8), 15: byte(x)})
}
