package trace

import (
	"encoding/binary"
	"net/netip"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

// quote is the start of one of our packets as a router saw it.
type quote struct {
	src, dst  netip.Addr
	limit     int    // TTL or hop limit
	length    int    // of the whole packet. Bytes
	id        uint16 // IPv4 Identification
	proto     uint8  // of the upper layer
	transport []byte // the upper layer, as far as quoted; at least 8 bytes
	option    *seenOption
	bare      bool // there is no extension header
}

// seenOption is the option of our extension header, as quoted.
type seenOption struct {
	header uint8
	typ    uint8
	data   []byte
}

// walkLimits bound what is looked at in a packet from the network.
var walkLimits = ip6.Limits{Headers: 8, Options: 16}

// parseQuote reads what an ICMP error quotes.
func parseQuote(b []byte, v6 bool) (quote, bool) {
	if v6 {
		return parseQuote6(b)
	}
	if len(b) < ip4Header || b[0]>>4 != 4 {
		return quote{}, false
	}
	header := int(b[0]&15) * 4
	if header < ip4Header || len(b) < header+8 || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return quote{}, false
	}
	q := quote{
		src: netip.AddrFrom4([4]byte(b[12:16])), dst: netip.AddrFrom4([4]byte(b[16:20])),
		limit: int(b[8]), length: int(binary.BigEndian.Uint16(b[2:])), id: binary.BigEndian.Uint16(b[4:]),
		proto: b[9], bare: true,
	}
	if q.length >= header+8 && len(b) > q.length {
		b = b[:q.length] // what follows is an extension (RFC 4884)
	}
	q.transport = b[header:]
	return q, true
}

func parseQuote6(b []byte) (quote, bool) {
	p, err := ip6.ParseQuote(b)
	if err != nil {
		return quote{}, false
	}
	q := quote{src: p.Src(), dst: p.Dst(), limit: int(p.HopLimit()), length: p.TotalLen(), bare: true}
	w := p.Walk(walkLimits)
	for h, ok := w.Next(); ok; h, ok = w.Next() {
		q.bare = false
		if h.HasOptions() && q.option == nil {
			q.option = firstOption(h)
		}
	}
	u := w.Upper()
	if w.Problem().Reason != ip6.NoProblem || u.Fragment() || u.Off > len(p)-8 {
		return quote{}, false
	}
	q.proto, q.transport = u.Proto, p[u.Off:]
	return q, true
}

// firstOption returns the first option of a header; a header with padding only
// has PadN as its option.
func firstOption(h ip6.Header) *seenOption {
	o := h.Options(walkLimits)
	if opt, ok := o.Next(); ok {
		return &seenOption{header: h.Type, typ: opt.Type, data: opt.Data}
	}
	if b := h.Bytes(); len(b) >= 4 && b[2] == ip6.OptPadN {
		return &seenOption{header: h.Type, typ: b[2], data: b[4:]}
	}
	return &seenOption{header: h.Type}
}

// minPMTU returns the Minimum Path MTU option that is quoted.
func (q quote) minPMTU() (hbh.Option, bool) {
	if q.option == nil || q.option.typ != hbh.Type || q.option.header != ip6.ProtoHopByHop {
		return hbh.Option{}, false
	}
	o, err := hbh.Parse(q.option.data)
	return o, err == nil
}

// mssOf returns the MSS option of a TCP header, or of its quoted start.
func mssOf(tcp []byte) (int, bool) {
	const fixed = 20
	if len(tcp) < fixed {
		return 0, false
	}
	end := min(int(tcp[12]>>4)*4, len(tcp))
	for at := fixed; at < end; {
		switch kind := tcp[at]; {
		case kind == 0:
			return 0, false
		case kind == 1:
			at++
		case at+2 > end || tcp[at+1] < 2:
			return 0, false
		case kind == 2 && tcp[at+1] == 4 && at+4 <= end:
			return int(binary.BigEndian.Uint16(tcp[at+2:])), true
		default:
			at += int(tcp[at+1])
		}
	}
	return 0, false
}
