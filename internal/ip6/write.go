package ip6

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Align is the alignment "xn+y" of an option (RFC 8200 section 4.2): its type
// byte stands at a multiple of N bytes from the start of the header, plus
// Offset. The zero value is no alignment. N is 1, 2, 4 or 8.
type Align struct{ N, Offset uint8 }

// OptionSpec is an option to be written.
type OptionSpec struct {
	Type  uint8
	Align Align
	Data  []byte // at most 255 bytes
}

// maxOptionsHeader is the largest options header: Hdr Ext Len 255.
const maxOptionsHeader = 256 * 8

// ErrHeaderSpace reports options that do not fit one header of 2048 bytes.
var ErrHeaderSpace = errors.New("ip6: options do not fit one extension header of 2048 bytes")

// AppendOptionsHeader appends a Hop-by-Hop or Destination Options header that
// holds the options in the given order, each at its alignment, padded to a
// multiple of 8 bytes with Pad1 and PadN. next is the Next Header value that
// it holds. On error b is returned as it was.
func AppendOptionsHeader(b []byte, next uint8, opts ...OptionSpec) ([]byte, error) {
	start := len(b)
	out := append(b, next, 0)
	for i := range opts {
		var err error
		if out, err = appendOption(out, start, opts[i]); err != nil {
			return b, err
		}
	}
	out = appendPadding(out, mod(start-len(out), 8))
	n := len(out) - start
	if n > maxOptionsHeader {
		return b, ErrHeaderSpace
	}
	out[start+1] = uint8(n/8 - 1)
	return out, nil
}

// appendOption appends o at its alignment in the header that starts at start.
func appendOption(b []byte, start int, o OptionSpec) ([]byte, error) {
	if len(o.Data) > 255 {
		return b, fmt.Errorf("ip6: option %#02x: %d bytes of data, at most 255", o.Type, len(o.Data))
	}
	switch o.Align.N {
	case 0, 1, 2, 4, 8:
	default:
		return b, fmt.Errorf("ip6: option %#02x: alignment to %d bytes, want 1, 2, 4 or 8", o.Type, o.Align.N)
	}
	if n := int(o.Align.N); n > 1 {
		b = appendPadding(b, mod(int(o.Align.Offset)-(len(b)-start), n))
	}
	b = append(b, o.Type)
	if o.Type == OptPad1 {
		return b, nil
	}
	b = append(b, uint8(len(o.Data)))
	return append(b, o.Data...), nil
}

// appendPadding appends n bytes of padding, 0..7.
func appendPadding(b []byte, n int) []byte {
	switch n {
	case 0:
		return b
	case 1:
		return append(b, OptPad1)
	}
	b = append(b, OptPadN, uint8(n-2))
	for range n - 2 {
		b = append(b, 0)
	}
	return b
}

// mod is the remainder that is never negative.
func mod(a, n int) int { return ((a % n) + n) % n }

// AppendInserted appends p with the extension header hdr of type typ inserted
// before the byte at offset off; nhOff is the offset of the Next Header byte
// that names what is there now (6 for the fixed header). hdr's own Next Header
// byte is set to that value. The Payload Length is raised. dst must not
// overlap p.
func AppendInserted(dst []byte, p Packet, nhOff, off int, typ uint8, hdr []byte) ([]byte, error) {
	switch {
	case len(hdr) < 8 || len(hdr)%8 != 0:
		return dst, fmt.Errorf("ip6: inserted header of %d bytes, want a multiple of 8", len(hdr))
	case off < HeaderLen || off > len(p):
		return dst, fmt.Errorf("ip6: insertion at byte %d, want 40..%d", off, len(p))
	case nhOff != 6 && (nhOff < HeaderLen || nhOff >= off):
		return dst, fmt.Errorf("ip6: next header field at byte %d, want 6 or 40..%d", nhOff, off-1)
	case len(p)+len(hdr) > MaxLen:
		return dst, fmt.Errorf("ip6: packet of %d bytes, at most %d", len(p)+len(hdr), MaxLen)
	}
	start := len(dst)
	dst = append(dst, p[:off]...)
	dst = append(dst, hdr...)
	dst = append(dst, p[off:]...)
	q := dst[start:]
	q[off] = p[nhOff]
	q[nhOff] = typ
	binary.BigEndian.PutUint16(q[4:6], uint16(len(q)-HeaderLen))
	return dst, nil
}

// AppendExtended appends p with one more option in its options header h,
// behind the last one and in place of the padding there. Alignment and padding
// are as in AppendOptionsHeader; the Payload Length is corrected. dst must not
// overlap p. On error dst is returned as it was.
func AppendExtended(dst []byte, p Packet, h Header, o OptionSpec) ([]byte, error) {
	if !h.HasOptions() {
		return dst, fmt.Errorf("ip6: header of type %d has no options", h.Type)
	}
	end := h.Off + 2
	w := h.Options(Unlimited)
	for opt, ok := w.Next(); ok; opt, ok = w.Next() {
		end = opt.Off + opt.Len()
	}
	if pr := w.Problem(); pr.Reason != NoProblem {
		return dst, pr
	}
	start := len(dst)
	out := append(dst, p[:end]...)
	out, err := appendOption(out, start+h.Off, o)
	if err != nil {
		return dst, err
	}
	hdr := start + h.Off
	out = appendPadding(out, mod(hdr-len(out), 8))
	n := len(out) - hdr
	out = append(out, p[h.Off+h.len:]...)
	if n > maxOptionsHeader || len(out)-start > MaxLen {
		return dst, ErrHeaderSpace
	}
	out[hdr+1] = uint8(n/8 - 1)
	binary.BigEndian.PutUint16(out[start+4:], uint16(len(out)-start-HeaderLen))
	return out, nil
}
