package udpopt

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"time"
)

// ReassemblyTimeout is how long a Reassembler waits for the rest of a datagram:
// at most 2 minutes (RFC 9868 section 11.4).
const ReassemblyTimeout = 2 * time.Minute

// FragKey names the datagram that a fragment belongs to.
type FragKey struct {
	Src, Dst netip.AddrPort
	ID       uint32 // Identification
}

// ReassemblyLimits bound a Reassembler. Zero fields choose the default.
type ReassemblyLimits struct {
	// Accept is what this end advertises in MRDS, and holds its peers to. Zero:
	// the default of IPv4, which is the larger one. Less is refused, since
	// section 11.6 has every receiver support it.
	Accept Reassembly
	// Pending is the most datagrams under way. Zero: 64. Memory is at most
	// Pending times Accept.Size bytes.
	Pending int
	// PerPair is the most datagrams under way from one socket pair, so that one
	// can't use up what belongs to all (section 25.4). Zero: 4.
	PerPair int
	// Timeout is at most ReassemblyTimeout. Zero: that.
	Timeout time.Duration
}

// Why a Reassembler refuses a fragment. In no case is an ICMP error sent, or an
// empty datagram handed up (section 11.4).
var (
	ErrOverlap  = errors.New("udpopt: fragments overlap")
	ErrTooLarge = errors.New("udpopt: reassembled datagram exceeds the advertised MRDS")
	ErrBounds   = errors.New("udpopt: fragment contradicts its datagram's bounds")
	ErrBusy     = errors.New("udpopt: too many datagrams in reassembly")
)

// Reassembler puts UDP fragments together (RFC 9868 section 11.4). It is pure:
// the time is passed in. Memory is bounded by its limits. It is not safe for
// concurrent use.
type Reassembler struct {
	limits  ReassemblyLimits
	pending map[FragKey]*partial
	free    []*partial
}

// partial is a datagram under way. buf holds what follows the UDP header.
type partial struct {
	key      FragKey
	deadline time.Time
	buf      []byte
	spans    []span // what has arrived, ascending; they touch, but don't overlap
	total    int    // bytes after the UDP header; -1: not known yet
	rdos     int
	dead     bool // overlapping or contradictory: only waits for its timeout
}

type span struct{ from, to int }

// NewReassembler returns an empty Reassembler. The error names the limit that is
// out of range.
func NewReassembler(l ReassemblyLimits) (*Reassembler, error) {
	if l.Accept == (Reassembly{}) {
		l.Accept = DefaultReassembly4
	}
	if l.Accept.Size < DefaultReassembly6.Size || l.Accept.Segments < DefaultReassembly6.Segments {
		return nil, &ConfigError{"ReassemblyLimits.Accept", l.Accept, "at least 2886 bytes and 2 segments (RFC 9868 section 11.6)"}
	}
	if l.Pending == 0 {
		l.Pending = 64
	}
	if l.PerPair == 0 {
		l.PerPair = min(4, l.Pending)
	}
	if l.Timeout == 0 {
		l.Timeout = ReassemblyTimeout
	}
	switch {
	case l.Pending < 1:
		return nil, &ConfigError{"ReassemblyLimits.Pending", l.Pending, "at least 1"}
	case l.PerPair < 1 || l.PerPair > l.Pending:
		return nil, &ConfigError{"ReassemblyLimits.PerPair", l.PerPair, "1 to Pending"}
	case l.Timeout < 0 || l.Timeout > ReassemblyTimeout:
		return nil, &ConfigError{"ReassemblyLimits.Timeout", l.Timeout, "up to 2m0s (RFC 9868 section 11.4)"}
	}
	return &Reassembler{limits: l, pending: make(map[FragKey]*partial)}, nil
}

// Reassembled is a complete datagram. It owns its memory.
type Reassembled struct {
	UserData []byte
	Options  Options // of the whole datagram
	// Err says why the options, or for UnsafeOption also the user data, were
	// dropped; nil otherwise.
	Err error
}

// Insert takes one fragment and reports whether it completed a datagram. The
// data are copied. An exact repetition is ignored.
//
// An overlap ends the reassembly: whatever has come and is still to come of that
// datagram is dropped until the timeout. So do contradictory bounds and a
// datagram beyond the MRDS.
func (r *Reassembler) Insert(now time.Time, key FragKey, f Frag, data []byte) (Reassembled, bool, error) {
	r.Expire(now)
	p := r.pending[key]
	if p != nil && p.dead {
		return Reassembled{}, false, nil
	}
	if p == nil {
		if len(r.pending) >= r.limits.Pending || r.ofPair(key) >= r.limits.PerPair {
			return Reassembled{}, false, ErrBusy
		}
		p = r.take(key, now)
	}
	fresh, err := p.add(f, data, r.limits.Accept)
	if err != nil {
		p.kill()
		return Reassembled{}, false, err
	}
	if !fresh || !p.complete() {
		return Reassembled{}, false, nil
	}
	var out Reassembled
	out.UserData, out.Options, out.Err = reassembled(p.buf[:p.total:p.total], p.rdos)
	p.buf = nil // handed out
	r.release(p)
	return out, true, nil
}

// Expire drops what has been under way for longer than the timeout.
func (r *Reassembler) Expire(now time.Time) {
	for _, p := range r.pending {
		if !p.deadline.After(now) {
			r.release(p)
		}
	}
}

// Next returns when Expire has something to do; the zero time: after an Insert.
func (r *Reassembler) Next() time.Time {
	var next time.Time
	for _, p := range r.pending {
		if next.IsZero() || p.deadline.Before(next) {
			next = p.deadline
		}
	}
	return next
}

// Pending returns how many datagrams are under way.
func (r *Reassembler) Pending() int { return len(r.pending) }

func (r *Reassembler) ofPair(key FragKey) int {
	n := 0
	for k := range r.pending {
		if k.Src == key.Src && k.Dst == key.Dst {
			n++
		}
	}
	return n
}

func (r *Reassembler) take(key FragKey, now time.Time) *partial {
	var p *partial
	if n := len(r.free); n > 0 {
		p, r.free = r.free[n-1], r.free[:n-1]
	} else {
		p = new(partial)
	}
	*p = partial{key: key, deadline: now.Add(r.limits.Timeout), buf: p.buf[:0], spans: p.spans[:0], total: -1}
	r.pending[key] = p
	return p
}

func (r *Reassembler) release(p *partial) {
	delete(r.pending, p.key)
	if len(r.free) < r.limits.PerPair {
		r.free = append(r.free, p)
	}
}

// kill drops the data and keeps the key, so that later fragments are dropped too.
func (p *partial) kill() { p.dead, p.buf, p.spans = true, nil, nil }

// add copies a fragment in. fresh is false for an exact repetition.
func (p *partial) add(f Frag, data []byte, accept Reassembly) (fresh bool, err error) {
	from := int(f.Offset) - headerLen
	if f.Offset == 0 && f.Terminal {
		from = 0 // the only fragment
	}
	to := from + len(data)
	switch {
	case from < 0 || len(data) == 0 && !f.Terminal:
		return false, ErrBounds
	case headerLen+to > int(accept.Size):
		return false, ErrTooLarge
	case f.Terminal && p.total < 0 && (int(f.RDOS) < headerLen || int(f.RDOS)-headerLen > to):
		return false, ErrBounds
	}
	at := 0
	for _, s := range p.spans {
		switch {
		case s == span{from, to} && p.repeats(f, data, from, to):
			return false, nil
		case s.from < to && from < s.to:
			return false, ErrOverlap
		case s.from < from:
			at++
		}
	}
	switch {
	case f.Terminal && p.total >= 0:
		return false, ErrBounds // two ends
	case f.Terminal && len(p.spans) > 0 && p.spans[len(p.spans)-1].to > from:
		return false, ErrBounds // data beyond the end
	case !f.Terminal && p.total >= 0 && to > p.total:
		return false, ErrBounds
	case len(p.spans) >= int(accept.Segments):
		return false, ErrTooLarge
	case f.Terminal:
		p.total, p.rdos = to, int(f.RDOS)
	}
	if need := to - len(p.buf); need > 0 {
		p.buf = append(p.buf, make([]byte, need)...)
	}
	copy(p.buf[from:], data)
	p.spans = slices.Insert(p.spans, at, span{from, to})
	return true, nil
}

// repeats reports whether a fragment is one that has been taken already, byte for
// byte: a duplicate may be dropped, and need not count as an overlap.
func (p *partial) repeats(f Frag, data []byte, from, to int) bool {
	last := p.total >= 0 && to == p.total
	if f.Terminal != last || last && int(f.RDOS) != p.rdos {
		return false
	}
	return bytes.Equal(p.buf[from:to], data)
}

func (p *partial) complete() bool {
	if p.total < 0 {
		return false
	}
	at := 0
	for _, s := range p.spans {
		if s.from != at {
			return false
		}
		at = s.to
	}
	return at == p.total
}
