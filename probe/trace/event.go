package trace

import (
	"encoding/binary"
	"net/netip"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

// ICMP message types of both families, by what they mean here.
type kind uint8

const (
	otherMessage kind = iota
	timeExceeded
	tooBig
	portUnreachable
	unreachable
	parameterProblem
	segment  // TCP
	datagram // UDP
)

// event is something that came back.
type event struct {
	kind      kind
	from      netip.Addr
	typ, code uint8
	mtu       int
	quote     quote
	seg       []byte      // TCP or UDP header and what follows
	answered  *hbh.Option // Minimum Path MTU option of the packet that came
}

// parseEvent reads a whole IP packet. ok is false for anything that can't be an
// answer to a probe.
func parseEvent(b []byte) (e event, ok bool) {
	if len(b) == 0 {
		return event{}, false
	}
	switch b[0] >> 4 {
	case 4:
		return parseEvent4(b)
	case 6:
		return parseEvent6(b)
	}
	return event{}, false
}

func parseEvent4(b []byte) (event, bool) {
	if len(b) < ip4Header {
		return event{}, false
	}
	header, length := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < ip4Header || length < header || len(b) < length || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return event{}, false
	}
	e := event{from: netip.AddrFrom4([4]byte(b[12:16]))}
	upper := b[header:length]
	switch b[9] {
	case protoICMP:
		return e.icmp(upper, false)
	case ip6.ProtoTCP:
		return e.tcp(upper)
	case ip6.ProtoUDP:
		return e.udp(upper)
	}
	return event{}, false
}

const protoICMP = 1

func parseEvent6(b []byte) (event, bool) {
	p, err := ip6.Parse(b)
	if err != nil {
		return event{}, false
	}
	e := event{from: p.Src()}
	if h, pr, ok := p.HopByHop(walkLimits); ok && pr.Reason == ip6.NoProblem {
		if o := firstOption(h); o.typ == hbh.Type {
			if got, err := hbh.Parse(o.data); err == nil {
				e.answered = &got
			}
		}
	}
	u, pr := p.FindUpper(walkLimits)
	if pr.Reason != ip6.NoProblem || u.Fragment() || u.Off > len(p) {
		return event{}, false
	}
	switch u.Proto {
	case ip6.ProtoICMPv6:
		return e.icmp(p[u.Off:], true)
	case ip6.ProtoTCP:
		return e.tcp(p[u.Off:])
	case ip6.ProtoUDP:
		return e.udp(p[u.Off:])
	}
	return event{}, false
}

func (e event) tcp(b []byte) (event, bool) {
	e.kind, e.seg = segment, b
	return e, len(b) >= 20
}

func (e event) udp(b []byte) (event, bool) {
	e.kind, e.seg = datagram, b
	return e, len(b) >= udpHeader
}

// icmp reads an ICMP error.
func (e event) icmp(b []byte, v6 bool) (event, bool) {
	const header = 8
	if len(b) < header {
		return event{}, false
	}
	e.typ, e.code = b[0], b[1]
	e.kind = meaning(e.typ, e.code, v6)
	switch {
	case e.kind == otherMessage:
		return event{}, false
	case e.kind == tooBig && v6:
		e.mtu = int(min(binary.BigEndian.Uint32(b[4:]), 1<<31-1))
	case e.kind == tooBig:
		e.mtu = int(binary.BigEndian.Uint16(b[6:]))
	}
	var ok bool
	e.quote, ok = parseQuote(b[header:], v6)
	return e, ok
}

// meaning says what an ICMP message type and code mean to a Trace.
func meaning(typ, code uint8, v6 bool) kind {
	if v6 {
		switch {
		case typ == ip6.TypeDestinationUnreachable && code == ip6.CodePort:
			return portUnreachable
		case typ == ip6.TypeDestinationUnreachable:
			return unreachable
		case typ == ip6.TypePacketTooBig:
			return tooBig
		case typ == ip6.TypeTimeExceeded && code == ip6.CodeHopLimit:
			return timeExceeded
		case typ == ip6.TypeParameterProblem:
			return parameterProblem
		}
		return otherMessage
	}
	switch {
	case typ == 3 && code == 3:
		return portUnreachable
	case typ == 3 && code == 4:
		return tooBig
	case typ == 3:
		return unreachable
	case typ == 11 && code == 0:
		return timeExceeded
	case typ == 12:
		return parameterProblem
	}
	return otherMessage
}
