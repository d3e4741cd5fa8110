package pathsim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Epoch is the virtual time at which every Sim begins.
var Epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Sim is a queue of events on a virtual clock.
type Sim struct {
	seed  uint64
	now   time.Time
	order uint64
	queue queue
}

// New returns a Sim at Epoch. The seed determines all that is random in it.
func New(seed uint64) *Sim { return &Sim{seed: seed, now: Epoch} }

// Now returns the virtual time.
func (s *Sim) Now() time.Time { return s.now }

// Since returns how long after Epoch the virtual time is.
func (s *Sim) Since() time.Duration { return s.now.Sub(Epoch) }

// String names the seed, for a message of a failing test.
func (s *Sim) String() string { return fmt.Sprintf("seed %d at %v", s.seed, s.Since()) }

// Rand returns the source of random numbers that belongs to a name. Each part
// of a simulation has its own, so that a part more or less changes nothing in
// the others.
func (s *Sim) Rand(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// At runs f at the given time, or now if that is past. Events of one time run
// in the order in which they were given.
func (s *Sim) At(t time.Time, f func()) {
	if t.Before(s.now) {
		t = s.now
	}
	s.order++
	s.queue.push(event{at: t, order: s.order, run: f})
}

// After runs f when the duration has passed.
func (s *Sim) After(d time.Duration, f func()) { s.At(s.now.Add(d), f) }

// Step runs the next event, and says whether there was one.
func (s *Sim) Step() bool {
	if len(s.queue) == 0 {
		return false
	}
	e := s.queue.pop()
	s.now = e.at
	e.run()
	return true
}

// Run runs all events of the next d, those that they cause included; then the
// clock is d later.
func (s *Sim) Run(d time.Duration) {
	end := s.now.Add(d)
	for len(s.queue) > 0 && !s.queue[0].at.After(end) {
		s.Step()
	}
	s.now = end
}

// RunUntil runs events until done says so or the limit is reached. It returns
// whether done did.
func (s *Sim) RunUntil(limit time.Duration, done func() bool) bool {
	end := s.now.Add(limit)
	for !done() {
		if len(s.queue) == 0 || s.queue[0].at.After(end) {
			s.now = end
			return false
		}
		s.Step()
	}
	return true
}

type event struct {
	at    time.Time
	order uint64
	run   func()
}

// queue is a binary heap by time, then order. It is not container/heap because
// that would allocate for each event.
type queue []event

func (q queue) before(i, j int) bool {
	if c := q[i].at.Compare(q[j].at); c != 0 {
		return c < 0
	}
	return q[i].order < q[j].order
}

func (q *queue) push(e event) {
	*q = append(*q, e)
	h := *q
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h.before(i, parent) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

func (q *queue) pop() event {
	h := *q
	top, last := h[0], len(h)-1
	h[0], h[last] = h[last], event{}
	h = h[:last]
	*q = h
	for i := 0; ; {
		child := 2*i + 1
		if child >= len(h) {
			return top
		}
		if child+1 < len(h) && h.before(child+1, child) {
			child++
		}
		if !h.before(child, i) {
			return top
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
