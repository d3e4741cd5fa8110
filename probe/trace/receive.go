package trace

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pathmtu/internal/ip6"
	"pathmtu/probe"
)

// Received hands in a whole IP packet that arrived. It returns whether it is
// about this Trace.
func (t *Trace) Received(now time.Time, packet []byte) bool {
	if t.Done() {
		return false
	}
	if e, ok := parseEcho(packet); ok {
		return t.echo(now, e)
	}
	e, ok := parseEvent(packet)
	if !ok || t.errors >= t.cfg.Budget.Errors {
		return false
	}
	t.errors++
	switch e.kind {
	case segment:
		return t.segment(now, e)
	case datagram:
		return t.datagram(now, e)
	}
	p := t.find(e.quote)
	t.tellSession(now, e, p)
	if p == nil {
		return false
	}
	t.settle(now, p, e)
	t.advance(now)
	return true
}

// find returns which packet is quoted. Where the quote is long enough, its token
// decides; else the first bytes have to be those that were sent.
func (t *Trace) find(q quote) *sentPacket {
	if !sameHost(q.src, t.cfg.Source) || !sameHost(q.dst, t.cfg.Target) || len(q.transport) < 8 {
		return nil
	}
	if q.proto == ip6.ProtoUDP {
		if binary.BigEndian.Uint16(q.transport) != t.cfg.SourcePort || binary.BigEndian.Uint16(q.transport[2:]) != t.cfg.Port {
			return nil
		}
		if id, ok := t.cfg.token(q.transport[udpHeader:]); ok {
			return t.sent[id]
		}
	}
	for _, p := range t.sent {
		if p.proto == q.proto && p.ipid == q.id && t.begins(p, q) {
			return p
		}
	}
	return nil
}

// begins compares the start of the upper layer; checksums that cover it may have
// been changed on the way, as they are when an MSS is.
func (t *Trace) begins(p *sentPacket, q quote) bool {
	if p.proto == ip6.ProtoUDP && len(q.transport)-udpHeader >= t.cfg.attribution()+probe.TokenLen && p.session == 0 {
		return false // its token should have matched
	}
	return [8]byte(q.transport) == p.start
}

// segment takes a TCP segment from the target.
func (t *Trace) segment(now time.Time, e event) bool {
	const rst, syn, ack = 0x04, 0x02, 0x10
	flags := e.seg[13]
	if !sameHost(e.from, t.cfg.Target) || t.cfg.TCPPort == 0 || flags&ack == 0 || flags&(rst|syn) == 0 ||
		binary.BigEndian.Uint16(e.seg) != t.cfg.TCPPort || binary.BigEndian.Uint16(e.seg[2:]) != t.cfg.TCPSourcePort {
		return false
	}
	acked := binary.BigEndian.Uint32(e.seg[8:]) - 1
	for _, p := range t.sent {
		if p.spec.arm != tcpSYN || t.cfg.sequence(p.id) != acked {
			continue
		}
		if m, ok := mssOf(e.seg); ok && flags&syn != 0 {
			t.synAck = m
		}
		t.settle(now, p, e)
		t.advance(now)
		return true
	}
	return false
}

// datagram takes one from the target that repeats what it was sent, as an echo
// service does. It may bring back what the Minimum Path MTU option said there.
func (t *Trace) datagram(now time.Time, e event) bool {
	if !sameHost(e.from, t.cfg.Target) || binary.BigEndian.Uint16(e.seg) != t.cfg.Port || binary.BigEndian.Uint16(e.seg[2:]) != t.cfg.SourcePort {
		return false
	}
	id, ok := t.cfg.token(e.seg[udpHeader:])
	p := t.sent[id]
	if !ok || p == nil {
		return false
	}
	t.settle(now, p, e)
	t.advance(now)
	return true
}

// QueuedError is an ICMP error as the error queue of a UDP socket tells it.
type QueuedError struct {
	From       netip.Addr
	Type, Code uint8
	MTU        int
	Payload    []byte // of the quoted datagram; may be empty
}

// Queued hands in an ICMP error, where Config.Whole is not set. It returns
// whether it is about this Trace.
func (t *Trace) Queued(now time.Time, e QueuedError) bool {
	if t.Done() || t.errors >= t.cfg.Budget.Errors {
		return false
	}
	t.errors++
	ev := event{kind: meaning(e.Type, e.Code, t.v6), from: e.From, typ: e.Type, code: e.Code, mtu: e.MTU}
	if t.session != nil && t.session.ICMP(now, probe.ICMPError{
		From: e.From, Type: e.Type, Code: e.Code, MTU: e.MTU, Quote: probe.Quote{Payload: e.Payload},
	}) {
		t.advance(now)
		return true
	}
	p := t.byPayload(e.Payload)
	if p == nil {
		return false
	}
	t.settle(now, p, ev)
	t.advance(now)
	return true
}

// byPayload returns which packet has this payload; of an empty one it can be
// known only if a single packet is waited for.
func (t *Trace) byPayload(b []byte) *sentPacket {
	if id, ok := t.cfg.token(b); ok {
		return t.sent[id]
	}
	if len(b) >= t.cfg.attribution()+probe.TokenLen {
		return nil
	}
	var only *sentPacket
	for _, q := range t.questions {
		if q.result != open || q.packet == nil {
			continue
		}
		if only != nil {
			return nil
		}
		only = q.packet
	}
	return only
}
