package probe

import (
	"encoding/binary"
	"net/netip"

	"pathmtu/internal/ip6"
)

// initialTTL is the TTL or hop limit that every probe leaves with.
const initialTTL = 64

const ipv4Header = 20

// appendIP appends an IP header for n bytes of payload to the target; next is the
// protocol, or the Next Header value.
func (t Target) appendIP(b []byte, next uint8, n int) []byte {
	src, dst := t.Source.Unmap(), t.Addr.Unmap()
	if !dst.Is4() {
		return ip6.AppendHeader(b, ip6.Fields{FlowLabel: t.flowLabel(), NextHeader: next, HopLimit: initialTTL, Src: src.WithZone(""), Dst: dst.WithZone("")}, n)
	}
	const dontFragment = 0x4000
	b = append(b, 4<<4|ipv4Header/4, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(ipv4Header+n))
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, dontFragment)
	b = append(b, initialTTL, next, 0, 0) // the socket computes the checksum
	b = append(b, src.AsSlice()...)
	return append(b, dst.AsSlice()...)
}

// flowLabel is the same for all packets with one key, and not 0, which means none.
func (t Target) flowLabel() uint32 {
	sum := t.Key.sum("flow label", nil)
	return binary.BigEndian.Uint32(sum[:])>>12 | 1
}

// inner is what an IP packet carries.
type inner struct {
	proto uint8
	bytes []byte     // from the upper-layer header on
	whole ip6.Packet // of IPv6, the packet
}

// answerTo returns what an IP packet from the target to us carries, if it isn't a
// fragment.
func (t Target) answerTo(b []byte) (inner, bool) { return open(b, t.Addr, t.Source, false) }

// probeIn returns what a quote of a packet to the target carries, as far as it goes.
func (t Target) probeIn(b []byte) (inner, bool) { return open(b, t.Source, t.Addr, true) }

func open(b []byte, src, dst netip.Addr, quote bool) (inner, bool) {
	src, dst = src.Unmap().WithZone(""), dst.Unmap().WithZone("")
	if src.Is4() {
		return open4(b, src, dst, quote)
	}
	parse := ip6.Parse
	if quote {
		parse = ip6.ParseQuote
	}
	p, err := parse(b)
	if err != nil || p.Src() != src || p.Dst() != dst {
		return inner{}, false
	}
	u, problem := p.FindUpper(ip6.Limits{})
	if problem.Reason != ip6.NoProblem || u.Fragment() {
		return inner{}, false
	}
	return inner{u.Proto, p[u.Off:], p}, true
}

func open4(b []byte, src, dst netip.Addr, quote bool) (inner, bool) {
	if len(b) < ipv4Header || b[0]>>4 != 4 {
		return inner{}, false
	}
	header, length := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < ipv4Header || length < header || len(b) < header || len(b) < length && !quote {
		return inner{}, false
	}
	const offsetOrMore = 0x3fff
	if binary.BigEndian.Uint16(b[6:])&offsetOrMore != 0 || netip.AddrFrom4([4]byte(b[12:])) != src || netip.AddrFrom4([4]byte(b[16:])) != dst {
		return inner{}, false
	}
	return inner{proto: b[9], bytes: b[header:min(length, len(b))]}, true
}
