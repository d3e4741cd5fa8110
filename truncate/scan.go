package truncate

import "pathmtu/internal/ip6"

// Fault says why a packet is invalid (the draft's list of invalid packets).
type Fault uint8

// Faults.
const (
	NoFault         Fault = iota
	WithFragment          // a truncation option beside a Fragment header
	MixedOptions          // two kinds of truncation option in one Destination Options header
	BadOptionLength       // Opt Data Len not 0, for Enhanced not 3
	TooShort              // marked as truncated, yet shorter than 1280 bytes
	BelowOriginal         // Enhanced, not truncated, payload shorter than the Original Payload Length
	RepeatedOption        // Enhanced more than once
	faultCount
)

var faultNames = [faultCount]string{"none", "truncation option with a Fragment header",
	"different truncation options in one header", "option data length", "truncated below 1280 bytes",
	"payload below Original Payload Length", "Enhanced option repeated"}

func (f Fault) String() string {
	if f < faultCount {
		return faultNames[f]
	}
	return "unknown"
}

// Scan is what the truncation options of one packet add up to.
type Scan struct {
	Eligible, Truncated, Enhanced int // instances in Destination Options headers
	// Misplaced counts truncation options in the Hop-by-Hop header, where
	// sources should not put them; they have no effect.
	Misplaced int

	OPL int  // of the Enhanced option
	T   bool // of the Enhanced option

	Fault   Fault // of the option at Pointer
	Pointer int   // offset of the first invalid option

	Upper   ip6.Upper
	Problem ip6.Problem // the headers could not be walked; nothing else is complete then
}

// Marked reports whether some router has cut the packet, as the options say.
func (s Scan) Marked() bool { return s.Truncated > 0 || s.T }

// Any reports whether the packet has a truncation option that counts.
func (s Scan) Any() bool { return s.Eligible+s.Truncated+s.Enhanced > 0 }

// Reader reads truncation options. The zero value reads revision T1 with
// DefaultCodes.
type Reader struct {
	Codes    Codes      // the zero value: DefaultCodes
	Revision Revision   // T1 or T0
	Limits   ip6.Limits // of walking headers; the zero value: its defaults
}

type kind uint8

const (
	none kind = iota
	eligible
	truncated
	enhanced
)

func (r Reader) kind(typ uint8) kind {
	c := r.Codes.orDefault()
	switch {
	case typ == c.Eligible:
		return eligible
	case typ == c.Truncated:
		return truncated
	case typ == c.Enhanced && r.Revision == T0:
		return enhanced
	}
	return none
}

// Scan reads all truncation options of p, which may be a quote.
//
// The first invalid option is the one with the lowest offset that takes part
// in any fault: for options that must not stand together, the first of them.
func (r Reader) Scan(p ip6.Packet) Scan {
	s := Scan{}
	first := 0          // offset of the first truncation option of all
	firstTruncated := 0 // the same of Truncated, or of Enhanced with T
	firstEnhanced := 0
	w := p.Walk(r.Limits)
	for h, ok := w.Next(); ok; h, ok = w.Next() {
		if !h.HasOptions() {
			continue
		}
		var kinds [4]bool
		head := 0
		ow := h.Options(r.Limits)
		for o, ok := ow.Next(); ok; o, ok = ow.Next() {
			k := r.kind(o.Type)
			if k == none {
				continue
			}
			if h.Type == ip6.ProtoHopByHop {
				s.Misplaced++
				continue
			}
			kinds[k] = true
			first, head = orOffset(first, o.Off), orOffset(head, o.Off)
			want := BasicLen
			cut := k == truncated
			switch k {
			case eligible:
				s.Eligible++
			case truncated:
				s.Truncated++
			case enhanced:
				want = EnhancedLen
				if s.Enhanced++; s.Enhanced > 1 {
					s.fault(RepeatedOption, firstEnhanced)
				}
				firstEnhanced = orOffset(firstEnhanced, o.Off)
				if e, err := ParseEnhanced(o.Data); err == nil {
					s.OPL, s.T, cut = int(e.OPL), s.T || e.T, e.T
				}
			}
			if len(o.Data) != want {
				s.fault(BadOptionLength, o.Off)
			}
			if cut {
				firstTruncated = orOffset(firstTruncated, o.Off)
			}
		}
		if n := count(kinds[:]); n > 1 {
			s.fault(MixedOptions, head)
		}
		if pr := ow.Problem(); pr.Reason != ip6.NoProblem {
			s.Problem = pr
			return s
		}
	}
	s.Problem, s.Upper = w.Problem(), w.Upper()
	if s.Problem.Reason != ip6.NoProblem {
		return s
	}
	if first != 0 && s.Upper.FragHeader != 0 {
		s.fault(WithFragment, first)
	}
	if firstTruncated != 0 && p.TotalLen() < ip6.MinMTU {
		s.fault(TooShort, firstTruncated)
	}
	if s.Enhanced > 0 && !s.T && p.PayloadLen() < s.OPL {
		s.fault(BelowOriginal, firstEnhanced)
	}
	return s
}

// fault notes a fault of the option at off; the lowest offset stays.
func (s *Scan) fault(f Fault, off int) {
	if s.Fault == NoFault || off < s.Pointer {
		s.Fault, s.Pointer = f, off
	}
}

// orOffset is the first of two offsets; 0 is none.
func orOffset(have, off int) int {
	if have != 0 {
		return have
	}
	return off
}

func count(b []bool) int {
	n := 0
	for _, v := range b {
		if v {
			n++
		}
	}
	return n
}
