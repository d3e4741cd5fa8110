package router

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pathmtu/internal/ip6"
)

// fail puts an ICMPv6 error about p into the verdict, if RFC 4443 section 2.4
// allows one, the budget holds, and there is a way to its source.
func (r *Router) fail(v *Verdict, p ip6.Packet, in int, typ, code uint8, param uint32, now time.Time) {
	pointer := 0
	if typ == ip6.TypeParameterProblem {
		pointer = int(param)
	}
	if ip6.MayError(p, ip6.Arrival{}, typ, code, pointer) != ip6.MayAnswer {
		r.counter.ICMPSilent++
		return
	}
	hi := binary.BigEndian.Uint64(p[8:])
	route := r.table.Lookup(p.Src())
	src := r.source(in)
	if hi>>54 == linkLocal {
		// The sender is on the link that the packet came from.
		v.ICMPOut, v.ICMPNext = in, p.Src()
	} else {
		if route == nil || route.Kind != Unicast || uint(route.Out) >= uint(len(r.cfg.Ports)) {
			r.counter.ICMPNoPath++
			return
		}
		v.ICMPOut, v.ICMPNext = route.Out, route.Next
		if !v.ICMPNext.IsValid() {
			v.ICMPNext = p.Src()
		}
	}
	if !src.IsValid() {
		r.counter.ICMPNoPath++
		return
	}
	b := r.errs
	if typ == ip6.TypePacketTooBig {
		b = r.ptb
	}
	if !b.take(hi, now) {
		r.counter.ICMPBudget++
		return
	}
	msg, err := ip6.AppendError(r.icmp[:0], ip6.ErrorSpec{Type: typ, Code: code, Param: param, Src: src}, p)
	if err != nil {
		r.counter.ICMPSilent++
		return
	}
	r.counter.ICMPSent.add(typ)
	v.ICMP = msg
}

// source is the address that errors about packets from port in come from.
func (r *Router) source(in int) netip.Addr {
	if a := r.cfg.Ports[in].Addr; a.IsValid() {
		return a
	}
	for i := range r.cfg.Ports {
		if a := r.cfg.Ports[i].Addr; a.IsValid() {
			return a
		}
	}
	return netip.Addr{}
}
