package survey

import (
	"fmt"
	"iter"
	"net/netip"
	"sort"
)

// Ranges yields the first address of each range of neighbouring addresses, and
// how many there are, in ascending order.
func (s *Set) Ranges() iter.Seq2[netip.Addr, uint64] {
	return func(yield func(netip.Addr, uint64) bool) {
		for i, lo := range s.lo {
			end := s.n
			if i+1 < len(s.first) {
				end = s.first[i+1]
			}
			if !yield(lo.addr(), end-s.first[i]) {
				return
			}
		}
	}
}

// SetOf makes a Set of what Ranges yielded. It returns an error if the ranges
// aren't ascending and apart from one another, or hold more than MostTargets
// addresses.
func SetOf(ranges iter.Seq2[netip.Addr, uint64]) (*Set, error) {
	s := &Set{}
	var last number // of the range before
	for a, count := range ranges {
		if !a.IsValid() || count < 1 || count > MostTargets {
			return nil, fmt.Errorf("survey: range from %v of %d addresses: want 1 to 2^48", a, count)
		}
		lo := numberOf(a)
		hi := lo.plus(count - 1)
		if hi.less(lo) || hi.is4() != lo.is4() {
			return nil, fmt.Errorf("survey: range from %v of %d addresses leaves the address space", a, count)
		}
		if len(s.lo) > 0 && !last.less(lo) {
			return nil, fmt.Errorf("survey: range from %v: want it after the range before", a)
		}
		s.lo, s.first = append(s.lo, lo), append(s.first, s.n)
		if s.n += count; s.n > MostTargets {
			return nil, fmt.Errorf("survey: more than 2^48 targets")
		}
		last = hi
	}
	return s, nil
}

// Index returns the index of an address; false: it isn't in the Set.
func (s *Set) Index(a netip.Addr) (uint64, bool) {
	if !a.IsValid() {
		return 0, false
	}
	n := numberOf(a.Unmap())
	k := sort.Search(len(s.lo), func(k int) bool { return n.less(s.lo[k]) }) - 1
	if k < 0 {
		return 0, false
	}
	end := s.n
	if k+1 < len(s.first) {
		end = s.first[k+1]
	}
	d, ok := n.minus(s.lo[k])
	if !ok || d >= end-s.first[k] {
		return 0, false
	}
	return s.first[k] + d, true
}
