package udpoptsock

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// queued is how many datagrams wait for a reader; more are dropped, as the
// kernel does when a receive buffer is full.
const queued = 256

type datagram struct {
	data []byte
	from netip.AddrPort
}

// queue holds received user data, from the UDP socket and the raw socket alike.
type queue struct {
	ch       chan datagram
	closed   chan struct{}
	once     sync.Once
	deadline deadline
}

func newQueue() *queue {
	return &queue{ch: make(chan datagram, queued), closed: make(chan struct{}), deadline: deadline{passed: make(chan struct{})}}
}

// put copies data in. It never waits.
func (q *queue) put(data []byte, from netip.AddrPort) {
	select {
	case q.ch <- datagram{append([]byte(nil), data...), from}:
	default:
	}
}

func (q *queue) get() (datagram, error) {
	select {
	case d := <-q.ch:
		return d, nil
	default:
	}
	select {
	case d := <-q.ch:
		return d, nil
	case <-q.deadline.wait():
		return datagram{}, os.ErrDeadlineExceeded
	case <-q.closed:
		return datagram{}, net.ErrClosed
	}
}

// close makes get fail, and reports whether it was the first call.
func (q *queue) close() (first bool) {
	q.once.Do(func() { first = true; close(q.closed) })
	return first
}

// deadline is a point in time that can be moved while somebody waits for it.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	passed chan struct{}
}

func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // the timer's function closes it for certain
	}
	d.timer = nil
	select {
	case <-d.passed:
		d.passed = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	passed := d.passed
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(passed) })
		return
	}
	close(passed)
}
