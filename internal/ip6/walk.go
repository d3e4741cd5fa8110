package ip6

import (
	"cmp"
	"encoding/binary"
)

// Header is one extension header of a packet.
type Header struct {
	Type uint8 // its Next Header number
	Off  int   // offset of its first byte
	pkt  Packet
	len  int
}

// Len is the header's length in bytes. The zero Header has length 0.
func (h Header) Len() int { return h.len }

// Next is the Next Header value that the header holds.
func (h Header) Next() uint8 { return h.pkt[h.Off] }

// Bytes is the whole header; it aliases the packet.
func (h Header) Bytes() []byte { return h.pkt[h.Off : h.Off+h.len : h.Off+h.len] }

// HasOptions reports whether the header is a Hop-by-Hop or a Destination
// Options header.
func (h Header) HasOptions() bool {
	return h.len > 0 && (h.Type == ProtoHopByHop || h.Type == ProtoDestOpts)
}

// Upper says where the extension headers end and what follows them.
type Upper struct {
	Proto uint8 // upper-layer protocol, ESP, or 59
	Off   int   // offset of its first byte; equals the packet's length when nothing is there
	NHOff int   // offset of the byte that holds Proto: the pointer of an "unrecognized next header"

	FragHeader int  // offset of the Fragment header; 0: none
	FragOffset int  // bytes before this fragment's data in the original; not 0: Off is not at an upper-layer header
	MoreFrags  bool // M flag
}

// Fragment reports whether the packet is one of several fragments; the atomic
// fragment of RFC 6946 is not.
func (u Upper) Fragment() bool { return u.FragHeader != 0 && (u.FragOffset != 0 || u.MoreFrags) }

// Walker steps over the extension headers of one packet.
type Walker struct {
	pkt   Packet
	lim   Limits
	off   int
	nhOff int
	count int
	upper Upper
	prob  Problem
	done  bool
}

// Walk starts at the first extension header.
func (p Packet) Walk(lim Limits) Walker {
	return Walker{pkt: p, lim: lim, off: HeaderLen, nhOff: 6}
}

// Next returns the next extension header. false: the upper layer is reached
// (see Upper) or a Problem is met.
func (w *Walker) Next() (Header, bool) {
	if w.done {
		return Header{}, false
	}
	typ := w.pkt[w.nhOff]
	if !IsExtension(typ) {
		return w.end(typ)
	}
	if typ == ProtoHopByHop && w.off != HeaderLen {
		return w.fail(HopByHopMisplaced, w.nhOff)
	}
	if over(w.count+1, w.lim.Headers, defaultHeaders) {
		return w.fail(TooManyHeaders, w.off)
	}
	n, ok := headerLen(w.pkt[w.off:], typ)
	if !ok || w.off+n > len(w.pkt) {
		return w.fail(HeaderTruncated, w.off)
	}
	if over(n, w.lim.Header, -1) {
		return w.fail(HeaderTooBig, w.off)
	}
	if over(w.off+n-HeaderLen, w.lim.Chain, defaultChain) {
		return w.fail(ChainTooLong, HeaderLen+cmp.Or(w.lim.Chain, defaultChain))
	}
	h := Header{Type: typ, Off: w.off, pkt: w.pkt, len: n}
	w.count++
	w.nhOff = w.off
	w.off += n
	if typ == ProtoFragment {
		f := binary.BigEndian.Uint16(w.pkt[h.Off+2:])
		w.upper.FragHeader = h.Off
		w.upper.FragOffset = int(f &^ 7)
		w.upper.MoreFrags = f&1 != 0
		if w.upper.FragOffset != 0 {
			w.end(w.pkt[w.nhOff])
		}
	}
	return h, true
}

func (w *Walker) end(proto uint8) (Header, bool) {
	w.done = true
	w.upper.Proto, w.upper.Off, w.upper.NHOff = proto, w.off, w.nhOff
	return Header{}, false
}

func (w *Walker) fail(r Reason, at int) (Header, bool) {
	w.done = true
	w.prob = Problem{Reason: r, Pointer: at}
	return Header{}, false
}

// Problem says why the walk stopped early; the zero value: it did not.
func (w *Walker) Problem() Problem { return w.prob }

// Upper is where the walk ended. It is set once Next has returned false with
// no Problem.
func (w *Walker) Upper() Upper { return w.upper }

// FindUpper walks to the upper layer.
func (p Packet) FindUpper(lim Limits) (Upper, Problem) {
	w := p.Walk(lim)
	for {
		if _, ok := w.Next(); !ok {
			return w.upper, w.prob
		}
	}
}

// HopByHop returns the Hop-by-Hop Options header, which can only be the first
// one. ok is false when there is none; a Problem is one of that header.
func (p Packet) HopByHop(lim Limits) (h Header, pr Problem, ok bool) {
	if p.NextHeader() != ProtoHopByHop {
		return Header{}, Problem{}, false
	}
	w := p.Walk(lim)
	h, ok = w.Next()
	return h, w.prob, ok
}

// headerLen is the length in bytes of the extension header that starts b.
// false: b is too short to say.
func headerLen(b []byte, typ uint8) (int, bool) {
	if len(b) < 8 {
		return 0, false
	}
	switch typ {
	case ProtoFragment:
		return 8, true // second byte is reserved
	case ProtoAH:
		return (int(b[1]) + 2) * 4, true // RFC 4302 section 2.2
	}
	return (int(b[1]) + 1) * 8, true
}

// OptionsHeader views b as an options header of type typ that stands alone, as
// a socket's control message delivers it; offsets count from its first byte.
func OptionsHeader(b []byte, typ uint8) (Header, Problem) {
	n, ok := headerLen(b, typ)
	if !ok || n > len(b) {
		return Header{}, Problem{Reason: HeaderTruncated}
	}
	return Header{Type: typ, pkt: Packet(b[:n:n]), len: n}, Problem{}
}
