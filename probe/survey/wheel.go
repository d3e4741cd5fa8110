package survey

// wheel holds each target in one list: of those that may be sent to, or of
// those that are due at some tick.
type wheel struct {
	pool       *pool
	head, tail [wheelSlots + 1]int32
	now        tick // slots up to this one are empty
	waiting    int  // targets in slots
}

const (
	wheelSlots = 1 << 14 // a bit more than a minute
	readyList  = wheelSlots
)

func newWheel(p *pool) *wheel {
	w := &wheel{pool: p}
	for i := range w.head {
		w.head[i], w.tail[i] = none, none
	}
	return w
}

func (w *wheel) push(id int32, list uint16) {
	t := w.pool.at(id)
	t.list, t.next, t.prev = list, none, w.tail[list]
	if t.prev == none {
		w.head[list] = id
	} else {
		w.pool.at(t.prev).next = id
	}
	w.tail[list] = id
	if list != readyList {
		w.waiting++
	}
}

func (w *wheel) unlink(id int32) {
	t := w.pool.at(id)
	if t.prev == none {
		w.head[t.list] = t.next
	} else {
		w.pool.at(t.prev).next = t.next
	}
	if t.next == none {
		w.tail[t.list] = t.prev
	} else {
		w.pool.at(t.next).prev = t.prev
	}
	if t.list != readyList {
		w.waiting--
	}
	t.next, t.prev = none, none
}

// schedule puts a target, which is in no list, into the slot of a tick.
func (w *wheel) schedule(id int32, at tick) {
	at = min(max(at, w.now+1), w.now+wheelSlots-1)
	w.push(id, uint16(at%wheelSlots))
}

// expired takes a target out that is due at the tick or before.
func (w *wheel) expired(now tick) (int32, bool) {
	for w.waiting > 0 && w.now < now {
		if id := w.head[(w.now+1)%wheelSlots]; id != none {
			w.unlink(id)
			return id, true
		}
		w.now++
	}
	w.now = max(w.now, now)
	return none, false
}

// next returns the tick at which a target is due, or some tick before that.
func (w *wheel) next() tick {
	const most = 256
	for d := tick(1); d < most; d++ {
		if w.head[(w.now+d)%wheelSlots] != none {
			return w.now + d
		}
	}
	return w.now + most
}
