package stacks

// binary halves the range between what works and what may work, rounding up,
// and ends when fewer than step bytes are left. With maxFirst it tries the
// largest size before anything else.
type binary struct {
	lo, hi   int
	step     int
	maxFirst bool
	tries    tries
}

func newBinary(s Setting, step int, maxFirst bool) Search {
	return &binary{lo: s.base(1200), hi: s.max(s.local()), step: step, maxFirst: maxFirst}
}

func (b *binary) Next() int {
	switch {
	case b.hi <= b.lo:
		return 0
	case b.maxFirst:
		return b.hi
	case b.hi-b.lo < b.step:
		return 0
	}
	return (b.lo + b.hi + 1) / 2
}

func (b *binary) Acked() {
	b.lo, b.tries = b.Next(), 0
	b.maxFirst = false
}

func (b *binary) Lost() {
	if b.tries.lost() {
		b.hi = b.Next() - 1
		b.maxFirst = false
	}
}

func (b *binary) Size() int { return b.lo }

// quiche is cloudflare quiche's: the maximum first, then the middle, rounded
// down, until works and fails are neighbours.
type quiche struct {
	ok, fail int // fail: smallest size given up; one above the maximum at first
	started  bool
	tries    tries
}

func newQuiche(s Setting) Search {
	return &quiche{ok: s.base(1200), fail: s.max(s.local()) + 1}
}

func (q *quiche) Next() int {
	switch {
	case q.fail-q.ok <= 1:
		return 0
	case !q.started:
		return q.fail - 1
	}
	return (q.ok + q.fail) / 2
}

func (q *quiche) Acked() {
	q.ok, q.tries = q.Next(), 0
	q.started = true
}

func (q *quiche) Lost() {
	if q.tries.lost() {
		q.fail = q.Next()
		q.started = true
	}
}

func (q *quiche) Size() int { return q.ok }

// s2n is s2n-quic's: a 1500-byte IP packet first, then upwards by halves of
// what is left, until a step would be less than 20 bytes.
type s2n struct {
	ok, max, probe int
	tries          tries
}

const s2nStep = 20

func newS2N(s Setting) Search {
	q := &s2n{ok: s.base(1200), max: s.max(1500 - s.IPHeader - udpHeader)}
	q.probe = min(q.max, 1500-s.IPHeader-udpHeader)
	return q
}

func (q *s2n) Next() int {
	if q.probe-q.ok < s2nStep {
		return 0
	}
	return q.probe
}

func (q *s2n) halve() { q.probe = q.ok + (q.max-q.ok)/2 }

func (q *s2n) Acked() {
	q.ok, q.tries = q.probe, 0
	q.halve()
}

func (q *s2n) Lost() {
	if q.tries.lost() {
		q.max = q.probe
		q.halve()
	}
}

func (q *s2n) Size() int { return q.ok }
