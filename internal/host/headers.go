package host

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

// headers walks the extension headers as the destination (RFC 8200 section 4),
// and reports false when the packet is dealt with.
func (h *Host) headers(p ip6.Packet, now time.Time, send func([]byte)) (ip6.Upper, bool) {
	w := p.Walk(ip6.Limits{})
	for e, ok := w.Next(); ok; e, ok = w.Next() {
		if e.Type == ip6.ProtoRouting && e.Bytes()[3] != 0 {
			// Segments left, and none of the types is known (RFC 8200 section 4.4).
			h.counters.UnknownHeader++
			h.fail(p, ip6.TypeParameterProblem, ip6.CodeErroneousHeader, e.Off+2, now, send)
			return ip6.Upper{}, false
		}
		o := e.Options(ip6.Limits{})
		for opt, ok := o.Next(); ok; opt, ok = o.Next() {
			if h.known(e.Type, opt) || opt.Action() == ip6.ActionSkip {
				continue
			}
			h.counters.OptionProblems++
			if opt.Action() != ip6.ActionDiscard {
				h.fail(p, ip6.TypeParameterProblem, ip6.CodeUnrecognizedOption, opt.Off, now, send)
			}
			return ip6.Upper{}, false
		}
		if h.problem(p, o.Problem(), now, send) {
			return ip6.Upper{}, false
		}
	}
	if h.problem(p, w.Problem(), now, send) {
		return ip6.Upper{}, false
	}
	up := w.Upper()
	if up.Fragment() {
		h.counters.Fragments++
		return up, false
	}
	return up, true
}

func (h *Host) known(header uint8, o ip6.Option) bool {
	return header == ip6.ProtoHopByHop && o.Type == hbh.Type || header == ip6.ProtoDestOpts && h.isEnhanced(o.Type)
}

// problem reports whether the walk met one, and answers it.
func (h *Host) problem(p ip6.Packet, pr ip6.Problem, now time.Time, send func([]byte)) bool {
	if pr.Reason == ip6.NoProblem {
		return false
	}
	h.counters.Malformed++
	if typ, code, ok := pr.ICMP(); ok {
		h.fail(p, typ, code, pr.Pointer, now, send)
	}
	return true
}

// fail sends an ICMPv6 error about p, if RFC 4443 section 2.4 and the budget
// allow.
func (h *Host) fail(p ip6.Packet, typ, code uint8, pointer int, now time.Time, send func([]byte)) {
	if ip6.MayError(p, ip6.Arrival{}, typ, code, pointer) != ip6.MayAnswer {
		return
	}
	if h.cfg.Errors != nil && !h.cfg.Errors(now) {
		h.counters.ErrorBudget++
		return
	}
	e := ip6.ErrorSpec{Type: typ, Code: code, Param: uint32(pointer), Src: p.Dst()}
	var err error
	if h.buf, err = ip6.AppendError(h.buf[:0], e, p); err == nil {
		h.counters.Errors++
		h.send(h.buf, send)
	}
}

const (
	typeSolicitation  = 135
	typeAdvertisement = 136
)

// asked reports whether p is a Neighbor Solicitation to the solicited-node
// multicast address of one of our addresses (RFC 4291 section 2.7.1).
func (h *Host) asked(p ip6.Packet) bool {
	const target = ip6.HeaderLen + 8
	if p[6] != ip6.ProtoICMPv6 || len(p) < target+16 || p[40] != typeSolicitation {
		return false
	}
	a := [16]byte(p[target:])
	node := netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: a[13], 14: a[14], 15: a[15]})
	return h.addrs[netip.AddrFrom16(a)] && p.Dst() == node
}

// solicited answers a Neighbor Solicitation (RFC 4861 sections 4.3, 7.1.1 and
// 7.2.4).
func (h *Host) solicited(p ip6.Packet, m []byte, send func([]byte)) {
	target := netip.AddrFrom16([16]byte(m[8:24]))
	if p.HopLimit() != 255 || m[1] != 0 || !h.addrs[target] || p.Src().IsUnspecified() || !wholeOptions(m[24:]) {
		h.counters.Malformed++
		return
	}
	h.counters.Solicitations++
	f := ip6.Fields{NextHeader: ip6.ProtoICMPv6, HopLimit: 255, Src: target, Dst: p.Src()}
	const solicitedOverride = 0x60000000
	h.buf = ip6.AppendHeader(h.buf[:0], f, 32)
	h.buf = append(h.buf, typeAdvertisement, 0, 0, 0)
	h.buf = binary.BigEndian.AppendUint32(h.buf, solicitedOverride)
	h.buf = append(h.buf, m[8:24]...)
	h.buf = append(h.buf, 2, 1) // target link-layer address, 8 bytes
	h.buf = append(h.buf, h.cfg.MAC[:]...)
	ip6.Packet(h.buf).SetChecksum(ip6.Limits{})
	h.send(h.buf, send)
}

// wholeOptions checks that the options of a Neighbor Discovery message have a
// length greater than zero and fit.
func wholeOptions(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 2 || b[1] == 0 || int(b[1])*8 > len(b) {
			return false
		}
		b = b[int(b[1])*8:]
	}
	return true
}
