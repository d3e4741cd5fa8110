package probe

import (
	"math"
	"slices"
	"sort"
	"time"

	"pathmtu/results"
)

// A size passes if it is answered once; it is of use only if it isn't lost much
// more often than small packets are. weighing compares the two, pair by pair:
// one packet of the size, one small one, in turns first. Pairs of which exactly
// one was lost tell; what hits both alike doesn't. A sequential likelihood-ratio
// test (Wald) over those decides between "either one as often" and "the large
// one in lossyShare of them".
type weighing struct {
	size  int
	pair  [2]*sentPacket // the size, and the small one
	pairs int
	large int // pairs of which only the large packet was lost
	small int // only the small one

	verdict results.Verdict // what the Session had concluded, of size most
	most    int
	fine    int // largest size that isn't lost more often
	lossy   int // smallest size that is; 0: none
}

const (
	// lossyShare of the telling pairs lose the large packet, if size matters.
	lossyShare = 0.85
	// sure is the logarithm of the likelihood ratio at which a size is decided:
	// either error has a probability of at most 0.2 %, as some seven sizes are
	// compared in turn.
	sure = 6.2
	// leastTelling is the error allowed to the test at its end (one-sided
	// binomial test), when the sequential one has not decided.
	leastTelling = 0.002
)

type lossDecision uint8

const (
	undecided lossDecision = iota
	asGood
	lossier
)

// decide says what the pairs so far mean; most is how many there are to be.
func (w *weighing) decide(most int) lossDecision {
	ratio := float64(w.large)*math.Log(lossyShare/0.5) + float64(w.small)*math.Log((1-lossyShare)/0.5)
	switch {
	case ratio >= sure:
		return lossier
	case ratio <= -sure:
		return asGood
	case w.pairs < most:
		return undecided
	case w.large > 0 && binomialTail(w.large+w.small, w.large) <= leastTelling:
		return lossier
	}
	return asGood
}

// binomialTail is the probability of k or more heads in n throws of a coin.
func binomialTail(n, k int) float64 {
	sum, c := 0.0, math.Exp2(-float64(n)) // of 0 heads
	for i := 0; i <= n; i++ {
		if i >= k {
			sum += c
		}
		c = c * float64(n-i) / float64(i+1)
	}
	return sum
}

// weigh begins to compare the PMTU's losses with those of small packets.
func (s *Session) weigh(size int, v results.Verdict) {
	s.loads = &weighing{size: size, verdict: v, most: size, fine: s.traits.Min}
}

// weighNext returns the size to send next, 0: wait for the pair.
func (s *Session) weighNext() (slot, size int) {
	w := s.loads
	first := w.pairs % 2
	for _, slot := range [2]int{first, 1 - first} {
		if w.pair[slot] == nil {
			return slot, [2]int{w.size, s.traits.Min}[slot]
		}
	}
	return 0, 0
}

// expirePair counts a pair of which both packets' fates are known.
func (s *Session) expirePair(now time.Time) {
	w := s.loads
	waiting := false
	for _, p := range w.pair {
		if p != nil && !now.Before(p.until) {
			s.lose(p)
		}
		waiting = waiting || p == nil || p.fate == pending
	}
	if waiting {
		return
	}
	large, small := w.pair[0].fate == lost, w.pair[1].fate == lost
	switch {
	case large && !small:
		w.large++
	case small && !large:
		w.small++
	}
	w.pair = [2]*sentPacket{}
	w.pairs++
	switch w.decide(s.cfg.Loss) {
	case asGood:
		w.fine = w.size
		s.weighOther(now)
	case lossier:
		s.note("%d bytes were lost in %d pairs of %d, of which the small packet arrived; the other way round in %d", w.size, w.large, w.pairs, w.small)
		w.lossy = w.size
		s.weighOther(now)
	}
}

// weighOther goes on with another size, or ends the Session.
func (s *Session) weighOther(now time.Time) {
	w := s.loads
	up := s.nextSize(w.fine)
	if w.lossy == 0 || up >= w.lossy {
		s.weighed(now)
		return
	}
	top := s.sizes().down(w.lossy - 1)
	w.size = up + (top-up)/2
	if lo, hi := sort.SearchInts(common, up), sort.SearchInts(common, top+1); lo < hi {
		w.size = common[lo+(hi-lo)/2]
	} else if slices.Contains(common, w.fine) {
		w.size = up
	}
	w.size = max(s.sizes().down(w.size), up)
	w.pairs, w.large, w.small = 0, 0, 0
}

// weighed ends the Session with what the comparison found.
func (s *Session) weighed(now time.Time) {
	w := s.loads
	if w.lossy == 0 {
		s.note("%d bytes are lost no more often than %d, in %d pairs", w.size, s.traits.Min, w.pairs)
		s.end(now, w.verdict)
		return
	}
	s.note("up to %d bytes arrive, but more than %d are lost more often", w.most, w.fine)
	s.pmtu = w.fine
	s.end(now, results.LossyAbove)
}

// weighCut ends the Session when a budget is used up amid the comparison.
func (s *Session) weighCut(now time.Time, why string) {
	w := s.loads
	v := w.verdict
	if w.lossy != 0 {
		v = results.LossyAbove
		s.note("the largest size that isn't lost more often is %d to %d bytes", w.fine, w.lossy-1)
	}
	s.note("comparison of losses cut short: %s", why)
	s.end(now, v)
}
