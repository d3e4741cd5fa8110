package probe

import (
	"net/netip"
	"slices"

	"pathmtu/results"
)

// maxPTB bounds how many different Packet Too Big messages are kept apart.
const maxPTB = 32

// claim is one router's claim of one MTU.
type claim struct {
	from  netip.Addr
	hop   int // 0: not known
	mtu   int
	size  int // of the largest packet that it complained about
	least int // of the smallest
	wrong bool
	count int
}

// ledger is what routers claimed.
type ledger struct {
	claims []claim
	valid  int // messages about packets that were really sent
}

func (l *ledger) add(c claim) {
	c.least = c.size
	if !c.wrong {
		l.valid++
	}
	for i := range l.claims {
		k := &l.claims[i]
		if k.from == c.from && k.mtu == c.mtu && k.wrong == c.wrong {
			k.count++
			k.size = max(k.size, c.size)
			k.least = min(k.least, c.size)
			if k.hop == 0 {
				k.hop = c.hop
			}
			return
		}
	}
	if len(l.claims) < maxPTB {
		c.count = 1
		l.claims = append(l.claims, c)
	}
}

// least is the smallest MTU that the protocol lets a link have.
func least(v6 bool) int {
	if v6 {
		return 1280 // RFC 8200 section 5
	}
	return 68 // RFC 791
}

// grade compares a claim with what was found: the largest size acknowledged,
// and the smallest that failed.
func (c claim) grade(v6 bool, acked, failed int) results.Grade {
	switch {
	case c.wrong:
		return results.WrongFlow
	case c.mtu == 0:
		return results.Zero
	case c.mtu < least(v6):
		return results.TooSmall
	case c.mtu >= c.size:
		return results.NotSmaller
	case c.mtu < acked:
		return results.Understated
	case failed != 0 && c.mtu >= failed:
		return results.Overstated
	}
	return results.Exact
}

// passed says whether a packet of the size that a router claims got past it: a
// different router complained about one, and it did not. Such a router told the
// truth; the path shrinks again behind it.
func (l *ledger) passed(c claim) bool {
	for _, k := range l.claims {
		if !k.wrong && k.from != c.from && (k.hop == 0 || c.hop == 0 || k.hop > c.hop) && k.size == c.mtu {
			return c.least > c.mtu
		}
	}
	return false
}

// gradeOf is grade, in the light of all claims.
func (l *ledger) gradeOf(c claim, v6 bool, acked, failed int) results.Grade {
	g := c.grade(v6, acked, failed)
	if g == results.Overstated && l.passed(c) {
		return results.Exact
	}
	return g
}

// lied says whether a router's numbers are known to be of no use: it claimed
// less than what has been acknowledged, or what can't be.
func (l *ledger) lied(from netip.Addr, v6 bool, acked, failed int) bool {
	for _, c := range l.claims {
		if c.from != from || c.wrong {
			continue
		}
		if g := l.gradeOf(c, v6, acked, failed); g != results.Exact {
			return true
		}
	}
	return false
}

// claimed returns the largest MTU that a router claims, above a size that was
// acknowledged and below one that failed; 0: there is none.
func (l *ledger) claimed(acked, failed int) int {
	m := 0
	for _, c := range l.claims {
		if !c.wrong && c.mtu > acked && c.mtu < min(failed, c.size) {
			m = max(m, c.mtu)
		}
	}
	return m
}

// most returns the largest size that a router complained about.
func (l *ledger) most(from netip.Addr) (size int) {
	for _, c := range l.claims {
		if !c.wrong && c.from == from {
			size = max(size, c.size)
		}
	}
	return size
}

// names says whether a router named the size that was found: it spoke of the place
// that carries no more, even if it didn't each time.
func (l *ledger) names(size int, sizes exact) bool {
	return slices.ContainsFunc(l.claims, func(c claim) bool { return !c.wrong && sizes.down(c.mtu) == size })
}

// records grades all claims, once the path MTU is known. Of two routers with
// the same right number, the bottleneck is the farther one; the nearer one only
// repeats what it heard.
func (l *ledger) records(v6 bool, acked, failed int) []results.PTB {
	far := 0
	for _, c := range l.claims {
		if c.mtu == acked && c.grade(v6, acked, failed) == results.Exact {
			far = max(far, c.hop)
		}
	}
	var out []results.PTB
	for _, c := range l.claims {
		g := l.gradeOf(c, v6, acked, failed)
		if g == results.Exact && c.mtu == acked && c.hop != 0 && c.hop < far {
			g = results.CachedNearer
		}
		out = append(out, results.PTB{From: addrString(c.from), Hop: c.hop, MTU: c.mtu, Grade: g, Count: c.count})
	}
	return out
}

func addrString(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().String()
}
