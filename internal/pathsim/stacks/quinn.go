package stacks

// quinn is quinn's (and noq's): halves, until the next size would be within 20
// bytes of the last one probed; then the upper bound itself, if that is at
// least 20 bytes away.
type quinn struct {
	lo, hi int
	probe  int
	tries  tries
}

const quinnStep = 20

func newQuinn(s Setting) Search {
	q := &quinn{lo: s.base(1200), hi: s.max(1452)}
	q.choose(q.lo)
	return q
}

// choose sets the next size after the given one was settled.
func (q *quinn) choose(last int) {
	q.probe = (q.lo + q.hi) / 2
	if max(q.probe-last, last-q.probe) >= quinnStep {
		return
	}
	q.probe = 0
	if q.hi-last >= quinnStep {
		q.probe = q.hi
	}
}

func (q *quinn) Next() int { return q.probe }

func (q *quinn) Acked() {
	q.lo, q.tries = q.probe, 0
	q.choose(q.probe)
}

func (q *quinn) Lost() {
	if q.tries.lost() {
		q.hi = q.probe - 1
		q.choose(q.probe)
	}
}

func (q *quinn) Size() int { return q.lo }
