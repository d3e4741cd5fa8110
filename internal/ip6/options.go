package ip6

// Option types of padding (RFC 8200 section 4.2).
const (
	OptPad1 = 0
	OptPadN = 1
)

// Action is what a node does with an option that it does not know: the two
// highest bits of the option type.
type Action uint8

// Actions (RFC 8200 section 4.2).
const (
	ActionSkip             Action = iota // 00 skip the option
	ActionDiscard                        // 01 discard the packet
	ActionProblem                        // 10 discard, Parameter Problem code 2
	ActionProblemIfUnicast               // 11 as 10, unless the destination is multicast
)

// Option is one option of a Hop-by-Hop or Destination Options header.
type Option struct {
	Type uint8
	Off  int    // offset of the type byte in the packet
	Data []byte // aliases the packet; without type and length
}

// Action is the unknown-option action that the type asks for.
func (o Option) Action() Action { return Action(o.Type >> 6) }

// Mutable reports the change bit: routers may change the data.
func (o Option) Mutable() bool { return o.Type&0x20 != 0 }

// Len is the bytes that the option takes, type and length included.
func (o Option) Len() int {
	if o.Type == OptPad1 {
		return 1
	}
	return 2 + len(o.Data)
}

// IsPadding reports whether the option is Pad1 or PadN.
func (o Option) IsPadding() bool { return o.Type == OptPad1 || o.Type == OptPadN }

// OptionWalker steps over the options of one header.
type OptionWalker struct {
	ShowPadding bool // return Pad1 and PadN too; set it before the first Next

	hdr  Header
	lim  Limits
	off  int // in the packet
	end  int
	n    int
	pad  int // bytes of padding in the present run
	at   int // where that run starts
	prob Problem
}

// Options starts at the first option of h. A header that has no options gives
// none.
func (h Header) Options(lim Limits) OptionWalker {
	w := OptionWalker{hdr: h, lim: lim}
	if h.HasOptions() {
		w.off, w.end = h.Off+2, h.Off+h.len
	}
	return w
}

// Next returns the next option that is not padding. false: the header's end,
// or a Problem.
func (w *OptionWalker) Next() (Option, bool) {
	p := w.hdr.pkt
	for w.off < w.end {
		off := w.off
		o := Option{Type: p[off], Off: off}
		if o.Type == OptPad1 {
			w.off++
		} else {
			if off+2 > w.end {
				return w.fail(OptionOverrun, off)
			}
			n := off + 2 + int(p[off+1])
			if n > w.end {
				return w.fail(OptionOverrun, off+1)
			}
			o.Data = p[off+2 : n : n]
			w.off = n
		}
		if !o.IsPadding() {
			w.pad = 0
			if over(len(o.Data), w.lim.Option, -1) {
				return w.fail(OptionTooBig, off)
			}
			if over(w.n+1, w.lim.Options, defaultOptions) {
				return w.fail(TooManyOptions, off)
			}
			w.n++
			return o, true
		}
		if w.pad == 0 {
			w.at = off
		}
		w.pad += o.Len()
		if over(w.pad, w.lim.Padding, defaultPadding) {
			return w.fail(PaddingTooLong, w.at)
		}
		if !w.lim.AnyPaddingBytes && !allZero(o.Data) {
			return w.fail(PaddingNotZero, off)
		}
		if w.ShowPadding {
			return o, true
		}
	}
	return Option{}, false
}

func (w *OptionWalker) fail(r Reason, at int) (Option, bool) {
	w.prob = Problem{Reason: r, Pointer: at}
	w.off = w.end
	return Option{}, false
}

// Problem says why the walk stopped early; the zero value: it did not.
func (w *OptionWalker) Problem() Problem { return w.prob }

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
