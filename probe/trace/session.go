package trace

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pathmtu/internal/ip6"
	"pathmtu/probe"
	"pathmtu/results"
)

// startSession begins to look for the largest size that reaches the target: by
// UDP, and by ICMP echo if the target doesn't answer UDP.
func (t *Trace) startSession(now time.Time) bool {
	target := probe.Target{Addr: t.cfg.Target, Key: t.cfg.Key, Attribution: t.cfg.Attribution}
	var m probe.Method
	switch {
	case len(t.outcomes) == 0:
		m = probe.NewUDP(target, t.cfg.Port)
	case len(t.outcomes) == 1 && t.cfg.Whole && t.outcomes[0].Verdict == results.Unresponsive:
		m = probe.NewICMP(target, t.cfg.SourcePort)
	default:
		return false
	}
	s, err := probe.New(probe.Config{
		Method: m, Target: t.cfg.Target, FirstHop: t.cfg.FirstHop,
		Probes: t.cfg.Probes, Timeout: t.cfg.Timeout, Seed: t.cfg.Seed,
		Eager: t.distance != 0 && len(t.outcomes) == 0, // it has just answered the like
		Budget: probe.Budget{
			Packets: max(t.cfg.Budget.Packets-t.packets, 1),
			Bytes:   max(t.cfg.Budget.Bytes-t.bytes, 1),
			Errors:  t.cfg.Budget.Errors,
			Time:    max(t.started.Add(t.cfg.Budget.Time).Sub(now), time.Millisecond),
		},
	})
	if err != nil { // a first hop too narrow for the method
		t.problem = err.Error()
		return false
	}
	t.session = s
	return true
}

func (t *Trace) closeSession() {
	o := t.session.Outcome()
	o.Flow = t.flow(len(t.outcomes) > 0)
	t.session = nil
	t.outcomes = append(t.outcomes, o)
	for _, l := range o.Loss {
		if o.PMTU != nil && l.Size <= *o.PMTU {
			t.small += l.Lost
		}
	}
	for _, p := range o.PTB {
		if p.Grade == results.WrongFlow {
			continue
		}
		if from, err := netip.ParseAddr(p.From); err == nil {
			t.claims = append(t.claims, claim{from: from, hop: p.Hop, mtu: p.MTU, size: t.cfg.FirstHop, count: p.Count, grade: p.Grade})
		}
	}
	b := t.bucket(initialHopLimit) // what the Session left of it is not known
	b.tokens, b.at = min(b.tokens, 1), t.lastSent
}

func (t *Trace) flow(icmp bool) string {
	if icmp {
		return t.cfg.Source.String() + " > " + t.cfg.Target.String()
	}
	return netip.AddrPortFrom(t.cfg.Source, t.cfg.SourcePort).String() + " > " + netip.AddrPortFrom(t.cfg.Target, t.cfg.Port).String()
}

// end is the outcome with a path MTU, or else the first one.
func (t *Trace) end() (o probe.Outcome, ok bool) {
	for _, o := range t.outcomes {
		if o.PMTU != nil {
			return o, true
		}
	}
	if len(t.outcomes) > 0 {
		return t.outcomes[0], true
	}
	return probe.Outcome{}, false
}

// sendSession wraps what a Session sends.
func (t *Trace) sendSession(now time.Time, s probe.Send) Packet {
	sp := spec{size: s.Size, limit: initialHopLimit}
	p := t.remember(now, sp, s.Size)
	p.session = s.ID
	t.buf = t.buf[:0]
	switch {
	case !t.cfg.Whole:
		t.buf = append(t.buf, s.Data...)
	case len(t.outcomes) > 0:
		t.buf = t.cfg.echo(t.buf, p.id, sp, s.Data)
	default:
		t.buf = t.cfg.udp(t.buf, p.id, sp, s.Data)
	}
	t.note(p)
	return Packet{ID: p.id, HopLimit: initialHopLimit, Size: s.Size, Data: t.buf}
}

// echo appends a whole packet around an echo request.
func (c Config) echo(b []byte, id probe.ID, s spec, message []byte) []byte {
	proto := uint8(protoICMP)
	if c.v6() {
		proto = ip6.ProtoICMPv6
	}
	b, at := c.ip(b, id, s, proto, len(message))
	b = append(b, message...)
	if c.v6() {
		b[at+2], b[at+3] = 0, 0
		binary.BigEndian.PutUint16(b[at+2:], c.sum(proto, b[at:]))
	}
	return b
}

// ours says whether a quote is of one of our flows, without a look at tokens.
func (t *Trace) ours(q quote) bool {
	if !sameHost(q.src, t.cfg.Source) || !sameHost(q.dst, t.cfg.Target) || len(q.transport) < 8 {
		return false
	}
	switch q.proto {
	case ip6.ProtoUDP:
		return binary.BigEndian.Uint16(q.transport) == t.cfg.SourcePort && binary.BigEndian.Uint16(q.transport[2:]) == t.cfg.Port
	case protoICMP, ip6.ProtoICMPv6:
		return binary.BigEndian.Uint16(q.transport[4:]) == t.cfg.SourcePort
	case ip6.ProtoTCP:
		return binary.BigEndian.Uint16(q.transport) == t.cfg.TCPSourcePort && binary.BigEndian.Uint16(q.transport[2:]) == t.cfg.TCPPort
	}
	return false
}

// tellSession hands an ICMP error to the Session: one about its packets, or
// about packets that were never sent.
func (t *Trace) tellSession(now time.Time, e event, p *sentPacket) {
	if t.session == nil || p != nil && p.session == 0 || !t.ours(e.quote) || e.quote.proto == ip6.ProtoTCP {
		return
	}
	q := probe.Quote{Length: e.quote.length, TTL: e.quote.limit, Payload: e.quote.transport}
	if e.quote.proto == ip6.ProtoUDP {
		q.Transport, q.Payload = e.quote.transport[:udpHeader], e.quote.transport[udpHeader:]
	}
	t.session.ICMP(now, probe.ICMPError{From: e.from, Type: e.typ, Code: e.code, MTU: e.mtu, Quote: q})
}

// echoReply is one that arrived.
type echoReply struct {
	from    netip.Addr
	message []byte
}

// parseEcho reads a whole IP packet with an echo reply.
func parseEcho(b []byte) (echoReply, bool) {
	const header = 8
	if len(b) >= ip4Header && b[0]>>4 == 4 {
		ip, length := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if ip < ip4Header || length < ip+header || len(b) < length || b[9] != protoICMP || b[ip] != 0 || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
			return echoReply{}, false
		}
		return echoReply{netip.AddrFrom4([4]byte(b[12:16])), b[ip:length]}, true
	}
	p, err := ip6.Parse(b)
	if err != nil {
		return echoReply{}, false
	}
	u, pr := p.FindUpper(walkLimits)
	if pr.Reason != ip6.NoProblem || u.Fragment() || u.Proto != ip6.ProtoICMPv6 || u.Off > len(p)-header || p[u.Off] != ip6.TypeEchoReply {
		return echoReply{}, false
	}
	return echoReply{p.Src(), p[u.Off:]}, true
}

func (t *Trace) echo(now time.Time, e echoReply) bool {
	if t.session == nil || !sameHost(e.from, t.cfg.Target) {
		return false
	}
	ok := t.session.Received(now, e.message)
	t.advance(now)
	return ok
}
