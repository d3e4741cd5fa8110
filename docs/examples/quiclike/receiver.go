package quiclike

import (
	"io"
	"slices"
	"time"
)

const (
	maxAckDelay = 10 * time.Millisecond
	// maxHeld bounds what is kept because something before it is missing.
	maxHeld = 2 << 20
)

// receiver is the receiving side, without I/O.
type receiver struct {
	dst    io.Writer
	conn   uint64 // of the first packet
	seen   []numbers
	held   map[uint64]chunk
	bytes  int // held
	offset uint64
	end    uint64
	ended  bool // end is known
	unsaid int  // packets not yet acknowledged
	since  time.Time
}

// received handles a datagram.
func (r *receiver) received(now time.Time, b []byte) error {
	h, data, err := parseHeader(b)
	if err != nil || h.kind == kindAck {
		return nil
	}
	if len(r.seen) == 0 {
		r.conn = h.conn
	}
	if h.conn != r.conn || !r.see(h.number) {
		return nil
	}
	if r.unsaid++; r.unsaid == 1 {
		r.since = now
	}
	if h.kind != kindData && h.kind != kindLast {
		return nil
	}
	if h.kind == kindLast {
		r.end, r.ended = h.offset+uint64(len(data)), true
	}
	if h.offset > r.offset {
		if _, dup := r.held[h.offset]; !dup && r.bytes+len(data) <= maxHeld {
			r.held[h.offset] = chunk{offset: h.offset, data: slices.Clone(data)}
			r.bytes += len(data)
		}
		return nil
	}
	if err := r.deliver(h.offset, data); err != nil {
		return err
	}
	return r.release()
}

func (r *receiver) deliver(offset uint64, data []byte) error {
	skip := r.offset - offset
	if skip >= uint64(len(data)) {
		return nil
	}
	n, err := r.dst.Write(data[skip:])
	r.offset += uint64(n)
	return err
}

// release delivers what was held.
func (r *receiver) release() error {
	for again := true; again; {
		again = false
		for at, c := range r.held {
			if at > r.offset {
				continue
			}
			delete(r.held, at)
			r.bytes -= len(c.data)
			if err := r.deliver(at, c.data); err != nil {
				return err
			}
			again = true
		}
	}
	return nil
}

func (r *receiver) done() bool { return r.ended && r.offset == r.end }

// see adds a number to those seen, and says whether it is new. A number older
// than all that is remembered is dropped: its packet counts as lost.
func (r *receiver) see(n uint32) bool {
	i := len(r.seen)
	for i > 0 && r.seen[i-1].lo > n {
		i--
	}
	if i > 0 && n <= r.seen[i-1].hi || i == 0 && len(r.seen) == maxRanges {
		return false
	}
	r.seen = slices.Insert(r.seen, i, numbers{n, n})
	if i+1 < len(r.seen) && r.seen[i+1].lo == n+1 {
		r.seen[i].hi = r.seen[i+1].hi
		r.seen = slices.Delete(r.seen, i+1, i+2)
	}
	if i > 0 && r.seen[i-1].hi+1 == n {
		r.seen[i-1].hi = r.seen[i].hi
		r.seen = slices.Delete(r.seen, i, i+1)
	}
	if len(r.seen) > maxRanges {
		r.seen = r.seen[1:]
	}
	return true
}

// ack returns an acknowledgement, if one is due: of each second packet, of
// what comes out of order at once, and of each packet after a short time.
func (r *receiver) ack(now time.Time) []byte {
	if r.unsaid == 0 || r.unsaid == 1 && len(r.seen) == 1 && now.Before(r.since.Add(maxAckDelay)) && !r.done() {
		return nil
	}
	r.unsaid = 0
	return appendRanges(header{kind: kindAck, conn: r.conn}.append(nil), r.seen)
}
