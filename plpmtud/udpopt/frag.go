package udpopt

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
)

// Frag is the content of a FRAG option (RFC 9868 section 11.4). All positions
// are in bytes.
type Frag struct {
	Start    uint16 // where the fragment's data begin, from the start of its own UDP header; they end with the IP payload
	ID       uint32 // Identification: the same in all fragments of a datagram
	Offset   uint16 // where the data belong, from the start of the original UDP header; 0 in a datagram of one fragment
	Terminal bool   // the last fragment, in the longer format
	RDOS     uint16 // Reassembled Datagram Option Start: where the original user data end; terminal only
}

// Fragment sizes without data: UDP header, OCS and FRAG option.
const (
	fragHead     = headerLen + ocsLen + lenFragNonTerminal
	fragHeadLast = headerLen + ocsLen + lenFragTerminal
)

// What a receiver has to be able to reassemble, and a sender assumes, where the
// peer sent no MRDS option (section 11.6): two fragments that fill 1500-byte
// packets.
var (
	DefaultReassembly4 = Reassembly{Size: 2926, Segments: 2}
	DefaultReassembly6 = Reassembly{Size: 2886, Segments: 2}
)

// Fragment returns the FRAG option and the fragment's data.
func (o Options) Fragment() (f Frag, data []byte, ok bool) {
	f, ok = o.FRAG()
	if !ok {
		return f, nil, false
	}
	return f, o.surplus[int(f.Start)-o.start:], true
}

// ErrFragments reports a datagram that needs more, or larger, fragments than
// the peer accepts.
var ErrFragments = errors.New("udpopt: datagram is larger than the peer reassembles")

// Splitter cuts datagrams into UDP fragments.
type Splitter struct {
	Size int        // largest IP payload of a fragment, in bytes: PLPMTU + 8; at least 23
	Peer Reassembly // the peer's MRDS, or the default of the family

}

// Split yields the FRAG option and the data of each fragment, in order, for a
// datagram with the given user data and per-datagram options (without EOL; none
// is fine). scratch is overwritten, and lent to the yielded data: its capacity
// should be that of the datagram. id must not be in use for this socket pair
// within the reassembly timeout, 2 minutes (section 11.4).
//
// The datagram's own OCS is zero, and unused: the OCS of each fragment covers
// its data (section 9). Errors are ErrFragments and those about Size.
func (s Splitter) Split(scratch, data, options []byte, id uint32) (iter.Seq2[Frag, []byte], error) {
	if s.Size <= fragHeadLast || s.Size > maxPayload {
		return nil, &SizeError{Size: s.Size, Min: fragHeadLast + 1, Max: maxPayload}
	}
	rdos := headerLen + len(data)
	whole := append(scratch[:0], data...)
	if len(options) > 0 {
		whole = append(whole, zeros[:rdos&1+ocsLen]...)
		whole = append(whole, options...)
	}
	if total := headerLen + len(whole); total > int(s.Peer.Size) {
		return nil, fmt.Errorf("%w: %d bytes, MRDS allows %d", ErrFragments, total, s.Peer.Size)
	}
	n := s.count(len(whole))
	if n > int(s.Peer.Segments) {
		return nil, fmt.Errorf("%w: %d fragments, MRDS allows %d", ErrFragments, n, s.Peer.Segments)
	}
	return func(yield func(Frag, []byte) bool) {
		rest, at := whole, headerLen
		for i := range n {
			f := Frag{Start: fragHead, ID: id, Offset: uint16(at)}
			chunk := rest
			if i < n-1 {
				chunk = rest[:min(s.Size-fragHead, len(rest)-1)]
			} else {
				f.Start, f.Terminal, f.RDOS = fragHeadLast, true, uint16(rdos)
			}
			if n == 1 {
				f.Offset = 0
			}
			if !yield(f, chunk) {
				return
			}
			rest, at = rest[len(chunk):], at+len(chunk)
		}
	}, nil
}

// count returns how many fragments n bytes need.
func (s Splitter) count(n int) int {
	last, other := s.Size-fragHeadLast, s.Size-fragHead
	if n <= last {
		return 1
	}
	return 1 + (n-last+other-1)/other
}

// AppendFragment appends the IP payload of one fragment: an empty UDP datagram
// whose surplus area holds OCS, the FRAG option and the data. The addresses and
// errors are those of AppendDatagram.
func AppendFragment(b []byte, src, dst netip.AddrPort, f Frag, data []byte) ([]byte, error) {
	at := len(b)
	var opt [lenFragTerminal]byte
	b, err := AppendDatagram(b, src, dst, nil, AppendFRAG(opt[:0], f), 0)
	if err != nil {
		return b, err
	}
	if n := len(b) - at + len(data); n > maxPayload {
		return b[:at], &SizeError{Size: n, Min: fragHead, Max: maxPayload}
	}
	b = append(b, data...)
	SetOCS(b[at+headerLen:], headerLen)
	return b, nil
}

// reassembled takes apart what a Reassembler put together, from the byte after
// the original UDP header on.
func reassembled(whole []byte, rdos int) (data []byte, o Options, err error) {
	data = whole[: rdos-headerLen : rdos-headerLen]
	o, err = Parse(whole[rdos-headerLen:], rdos, 0)
	if err == nil && o.Has(FRAG) {
		if len(data) > 0 {
			return data, Options{}, FragData
		}
		return nil, Options{}, UnsafeOption // nested fragments are not defined
	}
	if errors.Is(err, UnsafeOption) || errors.Is(err, UnsafeFragment) {
		data = nil
	}
	return data, o, err
}
