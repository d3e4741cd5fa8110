package hbh

import "pathmtu/internal/ip6"

// Observed is what the options of one received packet say. The zero value says
// nothing. Duplicates are settled as this project decided where RFC 9268 is
// silent: the smallest Min-PMTU of at least 1280 counts, and the Rtn-PMTUs
// count only if they agree.
type Observed struct {
	Count      int    // options of type 0x30 and length 4 in the Hop-by-Hop header
	Min        uint16 // smallest Min-PMTU of at least 1280; 0: none
	Rtn        uint16 // as received, not judged; 0: nothing reported, or the instances differ
	R          bool   // any instance asks
	SmallMin   int    // instances with a Min-PMTU under 1280 (to be ignored)
	RtnDiffers bool   // instances carry different Rtn-PMTUs
	BadLength  int    // 0x30 of another length
	Misplaced  int    // 0x30 in a Destination Options header
	Historical int    // 0x3e in one of the early layouts, in the Hop-by-Hop header
	Problem    ip6.Problem
}

// Observe reads the options of a received packet. It changes nothing.
func Observe(p ip6.Packet, lim ip6.Limits) Observed {
	var ob Observed
	w := p.Walk(lim)
	for h, ok := w.Next(); ok; h, ok = w.Next() {
		if h.HasOptions() {
			ob.header(h, lim)
		}
	}
	if ob.Problem.Reason == ip6.NoProblem {
		ob.Problem = w.Problem()
	}
	return ob
}

// ObserveHeader reads a Hop-by-Hop Options header that stands alone, as the
// IPV6_HOPOPTS control message delivers it.
func ObserveHeader(b []byte, lim ip6.Limits) Observed {
	var ob Observed
	h, pr := ip6.OptionsHeader(b, ip6.ProtoHopByHop)
	if pr.Reason != ip6.NoProblem {
		ob.Problem = pr
		return ob
	}
	ob.header(h, lim)
	return ob
}

func (ob *Observed) header(h ip6.Header, lim ip6.Limits) {
	w := h.Options(lim)
	for o, ok := w.Next(); ok; o, ok = w.Next() {
		switch o.Type {
		case Type:
			ob.option(h.Type, o)
		case HistoricalType:
			if _, _, err := ParseHistorical(o.Data); err == nil && h.Type == ip6.ProtoHopByHop {
				ob.Historical++
			}
		}
	}
	if ob.Problem.Reason == ip6.NoProblem {
		ob.Problem = w.Problem()
	}
}

func (ob *Observed) option(header uint8, o ip6.Option) {
	opt, err := FromOption(header, o)
	switch err {
	case nil:
	case ErrPlacement:
		ob.Misplaced++
		return
	default:
		ob.BadLength++
		return
	}
	one := Observed{Count: 1, Rtn: opt.Rtn, R: opt.R}
	if opt.Min >= ip6.MinMTU {
		one.Min = opt.Min
	} else {
		one.SmallMin = 1
	}
	*ob = ob.Merge(one)
}

// Merge joins what two fragments of one packet say: the smallest Min-PMTU,
// Rtn-PMTU if they agree, R if either asks.
func (ob Observed) Merge(other Observed) Observed {
	if other.Min != 0 && (ob.Min == 0 || other.Min < ob.Min) {
		ob.Min = other.Min
	}
	switch {
	case ob.Count == 0:
		ob.Rtn = other.Rtn
	case other.Count != 0 && other.Rtn != ob.Rtn:
		ob.RtnDiffers = true
	}
	ob.RtnDiffers = ob.RtnDiffers || other.RtnDiffers
	if ob.RtnDiffers {
		ob.Rtn = 0
	}
	ob.R = ob.R || other.R
	ob.Count += other.Count
	ob.SmallMin += other.SmallMin
	ob.BadLength += other.BadLength
	ob.Misplaced += other.Misplaced
	ob.Historical += other.Historical
	if ob.Problem.Reason == ip6.NoProblem {
		ob.Problem = other.Problem
	}
	return ob
}
