package udpsock

import (
	"bytes"
	"net/netip"
	"sync"
	"time"
)

const (
	// QuoteBytes is how much of a quoted UDP payload is looked at: enough for
	// any token, and a bound on the work an ICMP message can cause.
	QuoteBytes = 64
	// MinQuote is how many payload bytes of a sent datagram a quote must repeat
	// before it is believed, unless the datagram was shorter.
	MinQuote = 8
	// msl is how long a datagram, or an ICMP message about it, may live in the
	// network (RFC 8899 section 4.1: 2 minutes).
	msl = 2 * time.Minute
)

// Sent describes a datagram that was sent.
type Sent struct {
	ID   uint64         // the caller's name for it
	Dst  netip.AddrPort // where it went
	Size int            // of its whole IP packet, in bytes
}

// Quote is what an ICMP message repeats of a datagram.
type Quote struct {
	Dst netip.AddrPort // the datagram's destination
	// Payload is the begin of its UDP payload, at most QuoteBytes; many IPv4
	// routers quote none of it. It is valid until the function returns.
	Payload []byte
	// MTU is what the message claims, in bytes of IP packet; 0 if it is not
	// about size.
	MTU int
}

// Match finds the sent datagram that a quote is from; false: none.
type Match func(now time.Time, q Quote) (Sent, bool)

// Ring remembers the datagrams sent last, to tell an ICMP message about one of
// them from a forged one (RFC 8899 section 4.6.1): the destination and the first
// bytes of the payload must be the same. What an attacker off the path would
// have to guess is therefore as good as those first bytes.
//
// It is safe for concurrent use.
type Ring struct {
	mu   sync.Mutex
	next int
	all  []ringEntry
}

type ringEntry struct {
	sent   Sent
	at     time.Time
	prefix [QuoteBytes]byte
	n      int
}

// NewRing returns a ring that remembers n datagrams, at least one.
func NewRing(n int) *Ring { return &Ring{all: make([]ringEntry, max(n, 1))} }

// Add remembers a datagram with its UDP payload, and forgets the oldest one if
// the ring is full. It copies what it needs and does not allocate.
func (r *Ring) Add(now time.Time, s Sent, payload []byte) {
	s.Dst = unmap(s.Dst)
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &r.all[r.next]
	r.next = (r.next + 1) % len(r.all)
	e.sent, e.at = s, now
	e.n = copy(e.prefix[:], payload)
}

// Match is a Match over the datagrams of the last two minutes, newest first.
// If several begin alike, one that is larger than the claimed MTU is preferred.
func (r *Ring) Match(now time.Time, q Quote) (Sent, bool) {
	q.Dst = unmap(q.Dst)
	r.mu.Lock()
	defer r.mu.Unlock()
	var fit Sent
	found := false
	for i := range r.all {
		e := &r.all[(r.next-1-i+2*len(r.all))%len(r.all)]
		if e.at.IsZero() || now.Sub(e.at) > msl || e.sent.Dst != q.Dst {
			continue
		}
		n := min(e.n, len(q.Payload))
		if !bytes.Equal(e.prefix[:n], q.Payload[:n]) {
			continue
		}
		if e.sent.Size > q.MTU {
			return e.sent, true
		}
		if !found {
			fit, found = e.sent, true
		}
	}
	return fit, found
}

// unmap makes an IPv4-mapped address an IPv4 address.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
