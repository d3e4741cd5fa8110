package survey

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"sort"
)

// number is an address as an integer; an IPv4 address is mapped into IPv6, so
// that the order of numbers is that of netip.Addr within each family.
type number struct{ hi, lo uint64 }

func numberOf(a netip.Addr) number {
	b := a.As16()
	return number{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (n number) addr() netip.Addr {
	b := n.bytes()
	return netip.AddrFrom16(b).Unmap()
}

func (n number) bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], n.hi)
	binary.BigEndian.PutUint64(b[8:], n.lo)
	return b
}

func (n number) is4() bool { return n.hi == 0 && n.lo>>32 == 0xffff }

func (n number) less(m number) bool { return n.hi < m.hi || n.hi == m.hi && n.lo < m.lo }

func (n number) plus(d uint64) number {
	lo, carry := bits.Add64(n.lo, d, 0)
	return number{n.hi + carry, lo}
}

func (n number) next() number { return n.plus(1) }

func (n number) before() number {
	lo, borrow := bits.Sub64(n.lo, 1, 0)
	return number{n.hi - borrow, lo}
}

// minus returns n-m, and false if that is more than 64 bits hold.
func (n number) minus(m number) (uint64, bool) {
	lo, borrow := bits.Sub64(n.lo, m.lo, 0)
	return lo, n.hi-m.hi-borrow == 0
}

// span is a range of addresses, both ends included.
type span struct{ lo, hi number }

func spanOf(p netip.Prefix) span {
	lo := numberOf(p.Masked().Addr())
	host := 128 - p.Bits()
	if p.Addr().Is4() {
		host = 32 - p.Bits()
	}
	hi := lo
	switch {
	case host >= 64:
		hi.lo = ^uint64(0)
		if host == 128 {
			hi.hi = ^uint64(0)
		} else {
			hi.hi |= 1<<(host-64) - 1
		}
	default:
		hi.lo |= 1<<host - 1
	}
	return span{lo, hi}
}

// merge sorts spans and joins those that touch or overlap, in place.
func merge(s []span) []span {
	slices.SortFunc(s, func(a, b span) int {
		switch {
		case a.lo.less(b.lo):
			return -1
		case b.lo.less(a.lo):
			return 1
		}
		return 0
	})
	out := s[:0]
	for _, x := range s {
		if n := len(out); n > 0 && (!out[n-1].hi.less(x.lo) || out[n-1].hi.next() == x.lo) {
			if out[n-1].hi.less(x.hi) {
				out[n-1].hi = x.hi
			}
			continue
		}
		out = append(out, x)
	}
	return out
}

// subtract returns what of a isn't in b; both are merged.
func subtract(a, b []span) []span {
	var out []span
	j := 0
	for _, x := range a {
		for j > 0 && !b[j-1].hi.less(x.lo) {
			j--
		}
		for j < len(b) && b[j].hi.less(x.lo) {
			j++
		}
		whole := true
		for ; j < len(b) && !x.hi.less(b[j].lo); j++ {
			if x.lo.less(b[j].lo) {
				out = append(out, span{x.lo, b[j].lo.before()})
			}
			if !b[j].hi.less(x.hi) {
				whole = false
				break
			}
			x.lo = b[j].hi.next()
		}
		if whole {
			out = append(out, x)
		}
	}
	return out
}

// intersect returns what is in both; both are merged.
func intersect(a, b []span) []span {
	var out []span
	for i, j := 0, 0; i < len(a) && j < len(b); {
		lo, hi := a[i].lo, a[i].hi
		if lo.less(b[j].lo) {
			lo = b[j].lo
		}
		if b[j].hi.less(hi) {
			hi = b[j].hi
		}
		if !hi.less(lo) {
			out = append(out, span{lo, hi})
		}
		if a[i].hi.less(b[j].hi) {
			i++
		} else {
			j++
		}
	}
	return out
}

// MostTargets is how many addresses a Set holds at most.
const MostTargets = 1 << 48

// Set is a set of addresses of both families, numbered in ascending order,
// IPv4 first. It takes 24 bytes for each range of neighbouring addresses. It
// doesn't change, and is safe for concurrent use.
type Set struct {
	lo    []number
	first []uint64 // index of the first address of each range
	n     uint64
}

// newSet makes a Set of merged spans.
func newSet(spans []span) (*Set, error) {
	s := &Set{lo: make([]number, 0, len(spans)), first: make([]uint64, 0, len(spans))}
	for _, x := range spans {
		d, ok := x.hi.minus(x.lo)
		if !ok || d >= MostTargets || s.n+d+1 > MostTargets {
			return nil, fmt.Errorf("survey: more than 2^48 targets: prefix with %v is too wide to be probed address by address", x.lo.addr())
		}
		s.lo = append(s.lo, x.lo)
		s.first = append(s.first, s.n)
		s.n += d + 1
	}
	return s, nil
}

// Len returns the number of addresses.
func (s *Set) Len() uint64 { return s.n }

// At returns the address with an index below Len.
func (s *Set) At(i uint64) netip.Addr { return s.at(i).addr() }

func (s *Set) at(i uint64) number {
	k := sort.Search(len(s.first), func(k int) bool { return s.first[k] > i }) - 1
	return s.lo[k].plus(i - s.first[k])
}
