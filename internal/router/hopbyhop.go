package router

import (
	"time"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/truncate"
)

const (
	defaultMaxOptions = 8
	notEligible       = truncate.NotEligible
)

// hopByHop applies the ingress port's policy to the options of a packet that
// has a Hop-by-Hop header. mtu is that of the egress link. False: the packet
// is dropped, and the verdict says why.
func (r *Router) hopByHop(v *Verdict, p ip6.Packet, in, mtu int, now time.Time) bool {
	pol := &r.cfg.Ports[in].Policy
	if !pol.HopByHop {
		return true
	}
	r.counter.HopByHop++
	if r.quick[in] && soleMinPMTU(p) {
		r.counter.MinPMTU.Count(hbh.Rewrite(p, mtu, pol.Limits))
		return true
	}
	h, problem, ok := p.HopByHop(pol.Limits)
	if ok {
		var rewritten hbh.Rewritten
		var keep bool
		if rewritten, keep = r.options(v, p, h, pol, in, mtu, now); !keep {
			return false
		}
		problem = rewritten.Problem
		r.counter.MinPMTU.Count(rewritten)
	} else {
		r.counter.MinPMTU.Count(hbh.Rewritten{Problem: problem})
	}
	if problem.Reason == ip6.NoProblem || !pol.DropMalformed {
		return true
	}
	v.Reason = OptionsMalformed
	if typ, code, ok := problem.ICMP(); ok {
		r.fail(v, p, in, typ, code, uint32(problem.Pointer), now)
	}
	return false
}

// quick reports that a header which holds the option 0x30 and nothing else
// needs no walk: the policy processes the option, and limits it by default only.
func (p *Policy) quick() bool {
	return p.Options[hbh.Type] == Process && p.Limits == (ip6.Limits{})
}

// soleMinPMTU reports whether the Hop-by-Hop header of p is what RFC 9268 hosts
// send: 8 bytes, filled by the option.
func soleMinPMTU(p ip6.Packet) bool {
	return len(p) >= 48 && p[41] == 0 && p[42] == hbh.Type && p[43] == hbh.DataLen
}

// options walks the options once: those to be discarded are found before any
// is rewritten only if they come first, which changes nothing for the packet,
// since a discarded one goes nowhere.
func (r *Router) options(v *Verdict, p ip6.Packet, h ip6.Header, pol *Policy, in, mtu int, now time.Time) (rw hbh.Rewritten, keep bool) {
	left := pol.MaxOptions
	if left == 0 {
		left = defaultMaxOptions
	}
	w := h.Options(pol.Limits)
	for o, ok := w.Next(); ok; o, ok = w.Next() {
		if left == 0 {
			r.counter.Unlooked++
			return rw, true
		}
		left--
		t := pol.Options[o.Type]
		if t == Skip && pol.ActionBits && o.Action() != ip6.ActionSkip {
			t = Report
		}
		switch t {
		case Process:
			switch hbh.RewriteOption(o, mtu) {
			case hbh.Lowered:
				rw.Lowered++
			case hbh.Kept:
				rw.Kept++
			case hbh.BadLength:
				rw.BadLength++
			}
		case Discard, Report:
			v.Reason = OptionDiscarded
			if t == Report && (o.Action() == ip6.ActionProblem || o.Action() == ip6.ActionProblemIfUnicast) {
				r.fail(v, p, in, ip6.TypeParameterProblem, ip6.CodeUnrecognizedOption, uint32(o.Off), now)
			}
			return rw, false
		default:
			r.counter.Skipped++
		}
	}
	rw.Problem = w.Problem()
	return rw, true
}
