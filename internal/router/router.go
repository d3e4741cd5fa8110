package router

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pathmtu/internal/ip6"
)

// Router is the state of one router. See the package's description.
type Router struct {
	cfg     Config
	table   *Table
	quick   []bool // by port: see Policy.quick
	ptb     *budget
	errs    *budget
	cuts    *budget
	icmp    []byte
	counter Counters
}

// New returns a router with a table of no routes.
func New(cfg Config) (*Router, error) {
	r := &Router{icmp: make([]byte, 0, ip6.MinMTU)}
	if err := r.SetConfig(cfg); err != nil {
		return nil, err
	}
	r.table, _ = NewTable(nil)
	return r, nil
}

// SetConfig replaces the configuration and fills all budgets. Counters stay.
// On error nothing changes. Routes refer to ports by index: call SetTable as
// well when the order of ports changed.
func (r *Router) SetConfig(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg.Ports = append([]Port(nil), cfg.Ports...)
	r.cfg = cfg
	r.quick = make([]bool, len(cfg.Ports))
	for i := range cfg.Ports {
		r.quick[i] = cfg.Ports[i].Policy.quick()
	}
	r.ptb = newBudget(cfg.PacketTooBig.or(1000, 200))
	r.errs = newBudget(cfg.Errors.or(100, 50))
	r.cuts = newBudget(cfg.Truncations.or(1000, 200))
	return nil
}

// SetTable replaces the routes. Routes out of ports that the router doesn't
// have are treated as unreachable.
func (r *Router) SetTable(t *Table) { r.table = t }

// Route is where a packet of the router's own host to dst goes.
func (r *Router) Route(dst netip.Addr) (out int, next netip.Addr, ok bool) {
	route := r.table.Lookup(dst)
	if route == nil || route.Kind != Unicast || uint(route.Out) >= uint(len(r.cfg.Ports)) {
		return 0, netip.Addr{}, false
	}
	if !route.Next.IsValid() {
		return route.Out, dst, true
	}
	return route.Out, route.Next, true
}

// Routes is the number of prefixes in the table.
func (r *Router) Routes() int { return r.table.Len() }

// SetMTU changes the MTU of a port, in bytes; values outside 1280 to 65575 are
// brought to the nearer bound, since no IPv6 link may be smaller.
func (r *Router) SetMTU(port, mtu int) {
	r.cfg.Ports[port].MTU = min(max(mtu, ip6.MinMTU), ip6.MaxLen)
}

// MTU returns the MTU of a port in bytes.
func (r *Router) MTU(port int) int { return r.cfg.Ports[port].MTU }

// Counters returns a copy of the counters.
func (r *Router) Counters() Counters { return r.counter }

// Forward decides about the packet in pkt, which came in on port in and may be
// followed by the link layer's padding. pkt is changed in place. Any bytes are
// accepted; in must be a port of the configuration.
func (r *Router) Forward(pkt []byte, in int, now time.Time) Verdict {
	v := r.decide(pkt, in, now)
	r.counter.Reasons[v.Reason]++
	if v.Action == Forward {
		r.counter.Bytes += uint64(len(v.Packet))
		if v.Out == in {
			r.counter.SamePort++
		}
	}
	return v
}

// Unreachable is the error to send when a packet that Forward returned could
// not be delivered because its next hop does not answer (Destination
// Unreachable code 3). in is the port that the packet came in on.
func (r *Router) Unreachable(pkt []byte, in int, now time.Time) Verdict {
	p, err := ip6.Parse(pkt)
	if err != nil {
		return Verdict{Reason: BadHeader}
	}
	v := Verdict{Reason: NoRoute}
	r.fail(&v, p, in, ip6.TypeDestinationUnreachable, ip6.CodeAddress, 0, now)
	return v
}

func (r *Router) decide(pkt []byte, in int, now time.Time) (v Verdict) {
	p, err := ip6.Parse(pkt)
	if err != nil {
		v.Reason = BadHeader
		return v
	}
	// Addresses as two words each: comparing them costs next to nothing.
	srcHi, srcLo := binary.BigEndian.Uint64(p[8:]), binary.BigEndian.Uint64(p[16:])
	dstHi, dstLo := binary.BigEndian.Uint64(p[24:]), binary.BigEndian.Uint64(p[32:])
	switch {
	case p[24] == 0xff, dstHi>>54 == linkLocal:
		v.Action, v.Reason = Deliver, ToSelf
		return v
	case p[8] == 0xff, srcHi == 0 && srcLo <= 1:
		v.Reason = BadSource
		return v
	case dstHi == 0 && dstLo <= 1:
		v.Reason = BadDestination
		return v
	}
	route := r.table.Lookup(p.Dst())
	if route == nil || route.Kind == Unicast && uint(route.Out) >= uint(len(r.cfg.Ports)) {
		v.Reason = NoRoute
		r.fail(&v, p, in, ip6.TypeDestinationUnreachable, ip6.CodeNoRoute, 0, now)
		return v
	}
	if route.Kind == Local {
		v.Action, v.Reason = Deliver, ToSelf
		return v
	}
	if p.HopLimit() <= 1 {
		v.Reason = HopLimitExceeded
		r.fail(&v, p, in, ip6.TypeTimeExceeded, ip6.CodeHopLimit, 0, now)
		return v
	}
	if route.Kind != Unicast {
		r.refuse(&v, route.Kind, p, in, now)
		return v
	}
	if srcHi>>54 == linkLocal {
		v.Reason = BeyondScope
		r.fail(&v, p, in, ip6.TypeDestinationUnreachable, codeBeyondScope, 0, now)
		return v
	}
	out := &r.cfg.Ports[route.Out]
	if route.Out == in && out.PointToPoint && !route.Next.IsValid() {
		v.Reason = PointToPointLoop
		r.fail(&v, p, in, ip6.TypeDestinationUnreachable, ip6.CodeAddress, 0, now)
		return v
	}
	if p.NextHeader() == ip6.ProtoHopByHop && !r.hopByHop(&v, p, in, out.MTU, now) {
		return v
	}
	if len(p) > out.MTU {
		if p = r.fit(&v, p, in, out, now); p == nil {
			return v
		}
	}
	p.SetHopLimit(p.HopLimit() - 1)
	v.Action, v.Reason = Forward, Forwarded
	v.Out, v.Packet = route.Out, p
	v.Next = route.Next
	if !v.Next.IsValid() {
		v.Next = netip.AddrFrom16([16]byte(p[24:40]))
	}
	return v
}

const (
	linkLocal       = 0xfe80 >> 6 // first ten bits
	codeBeyondScope = 2           // Destination Unreachable, RFC 4443 section 3.1
)

func (r *Router) refuse(v *Verdict, kind RouteKind, p ip6.Packet, in int, now time.Time) {
	switch kind {
	case Blackhole:
		v.Reason = Blackholed
	case Prohibit:
		v.Reason = Prohibited
		r.fail(v, p, in, ip6.TypeDestinationUnreachable, ip6.CodeProhibited, 0, now)
	default:
		v.Reason = NoRoute
		r.fail(v, p, in, ip6.TypeDestinationUnreachable, ip6.CodeNoRoute, 0, now)
	}
}

// fit returns the packet cut to the egress MTU, or nil when it must not be
// forwarded. A Packet Too Big is put into the verdict in both cases, if due.
func (r *Router) fit(v *Verdict, p ip6.Packet, in int, out *Port, now time.Time) ip6.Packet {
	if out.Truncate {
		plan := r.cfg.Truncate.Plan(p, out.MTU)
		switch {
		case !plan.OK():
			if plan.Refusal != notEligible {
				r.counter.TruncateRefused++
			}
		case !r.cuts.take(binary.BigEndian.Uint64(p[8:]), now):
			r.counter.TruncateBudget++
		default:
			if plan.PTB {
				// Quotes the packet as it was: before Apply.
				r.fail(v, p, in, ip6.TypePacketTooBig, 0, uint32(out.MTU), now)
			}
			r.counter.Truncated++
			return plan.Apply(p)
		}
	}
	v.Reason = TooBig
	r.fail(v, p, in, ip6.TypePacketTooBig, 0, uint32(out.MTU), now)
	return nil
}
