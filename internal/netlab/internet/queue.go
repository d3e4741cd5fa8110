package internet

import (
	"encoding/binary"
	"time"
)

// MaxDelay is the longest delay that a Queue holds.
const MaxDelay = 4 * time.Second

const (
	slotTime = time.Millisecond
	slots    = 1 << 13 // more than MaxDelay of them
)

// Queue holds packets until they are due, to a millisecond. It is a ring of
// byte arenas, so that adding and removing cost a copy and nothing else. It
// isn't safe for concurrent use.
type Queue struct {
	slot    [slots][]byte
	now     time.Duration
	next    int64 // slot that is to be emptied next
	off     int   // in that slot
	pending int
	// Most bounds the packets held; what is more is dropped. 0: no bound.
	Most    int
	Dropped uint64
	spill   []byte
	free    [][]byte // arenas of slots that were emptied
	emptied []byte   // the last one: its packets may still be looked at
}

// Advance tells the queue the time; it only moves forwards.
func (q *Queue) Advance(now time.Duration) { q.now = max(q.now, now) }

// Add returns n bytes to be filled, before the next call, with a packet that
// is due after the delay.
func (q *Queue) Add(delay time.Duration, n int) []byte {
	if q.Most > 0 && q.pending >= q.Most {
		q.Dropped++
		if cap(q.spill) < n {
			q.spill = make([]byte, n)
		}
		return q.spill[:n]
	}
	at := int64((q.now + min(delay, MaxDelay) + slotTime - 1) / slotTime)
	at = max(at, q.next+1) // the slot that is being emptied takes no more
	s := &q.slot[at%slots]
	if *s == nil && len(q.free) > 0 {
		*s, q.free = q.free[len(q.free)-1], q.free[:len(q.free)-1]
	}
	b := binary.NativeEndian.AppendUint32(*s, uint32(n))
	at0 := len(b)
	if cap(b)-len(b) < n {
		b = append(b, make([]byte, n)...)
	} else {
		b = b[:at0+n]
	}
	*s = b
	q.pending++
	return b[at0:]
}

// Pop returns a packet that is due, if there is one. It stays valid until the
// next call of Pop.
func (q *Queue) Pop() ([]byte, bool) {
	for due := int64(q.now / slotTime); q.next <= due; q.next++ {
		s := q.slot[q.next%slots]
		if q.off < len(s) {
			n := int(binary.NativeEndian.Uint32(s[q.off:]))
			p := s[q.off+4 : q.off+4+n]
			q.off += 4 + n
			q.pending--
			return p, true
		}
		if s != nil {
			q.slot[q.next%slots] = nil
			q.recycle(s)
		}
		q.off = 0
		if q.pending == 0 {
			q.next = due
			return nil, false
		}
	}
	return nil, false
}

// recycle keeps an arena for another slot, once nobody looks at it any more.
func (q *Queue) recycle(s []byte) {
	const most = 1024
	if q.emptied != nil && len(q.free) < most {
		q.free = append(q.free, q.emptied[:0])
	}
	q.emptied = s
}

// Pending returns how many packets are held.
func (q *Queue) Pending() int { return q.pending }
