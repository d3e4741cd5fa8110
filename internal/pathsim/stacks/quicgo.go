package stacks

import "slices"

// quicGo is quic-go's: losses of any size go into three slots, smallest first.
// The largest slot bounds the search from above, so that it takes three losses
// to move it; after a loss the search halves the way to the smallest slot,
// after an acknowledgement the way to the bound.
type quicGo struct {
	ok      int
	lost    []int // ascending, at most three; the maximum counts as lost
	retreat bool
}

const (
	quicGoSlots = 3
	quicGoStep  = 21 // the search ends this close to the bound
)

func newQuicGo(s Setting) Search {
	return &quicGo{ok: s.base(1280), lost: []int{s.max(1452)}}
}

func (q *quicGo) Next() int {
	bound := q.lost[len(q.lost)-1]
	switch {
	case bound-q.ok <= quicGoStep:
		return 0
	case q.retreat:
		return (q.ok + q.lost[0]) / 2
	}
	return (q.ok + bound) / 2
}

func (q *quicGo) Acked() {
	q.ok, q.retreat = q.Next(), false
	q.lost = slices.DeleteFunc(q.lost, func(size int) bool { return size <= q.ok })
}

func (q *quicGo) Lost() {
	size := q.Next()
	i, _ := slices.BinarySearch(q.lost, size)
	q.lost = slices.Insert(q.lost, i, size)
	q.lost = q.lost[:min(len(q.lost), quicGoSlots)]
	q.retreat = true
}

func (q *quicGo) Size() int { return q.ok }
