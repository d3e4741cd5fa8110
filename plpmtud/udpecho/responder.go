package udpecho

import (
	"hash/maphash"
	"net/netip"
	"time"

	"pathmtu/plpmtud/udpsock"
)

// sourceBuckets is how many rate limits the sources of probes share: one may
// slow down those that fall into the same, and no more than that.
const sourceBuckets = 256

// An answer per source: more than a prober that keeps to RFC 8899 can ask for.
const (
	answersPerSource = 10
	answerBurst      = 20
)

// responder decides which probes are answered. An answer is never larger than
// the probe, but it may go to somebody who did not ask: sources are forged.
type responder struct {
	all     udpsock.Budget
	sources [sourceBuckets]udpsock.Budget
	seed    maphash.Seed
}

func newResponder(perSecond int, seed maphash.Seed) *responder {
	r := &responder{all: udpsock.NewBudget(float64(perSecond), perSecond), seed: seed}
	for i := range r.sources {
		r.sources[i] = udpsock.NewBudget(answersPerSource, answerBurst)
	}
	return r
}

// answer returns the answer to a probe of which n bytes were received.
func (r *responder) answer(now time.Time, from netip.AddrPort, probe header, n int) (header, bool) {
	i := maphash.Comparable(r.seed, from.Addr()) % sourceBuckets
	if !r.sources[i].Take(now) || !r.all.Take(now) {
		return header{}, false
	}
	return header{kind: answerKind, length: n, token: probe.token}, true
}
