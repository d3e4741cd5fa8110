package datapath

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Handler gets the packets of a Loop.
type Handler interface {
	// Packet handles one IP packet that came in on port in. It may change pkt,
	// but not keep it. now is the time of the batch that it came with.
	Packet(in int, pkt []byte, now time.Time)
}

// Ticker is a Handler that also acts on time.
type Ticker interface {
	// Due is when to call Tick next; the zero time: after an event.
	Due() time.Time
	Tick(now time.Time)
}

// Loop receives from all its ports in turn, in one goroutine, and sleeps in
// poll(2) when no packet waits.
type Loop struct {
	ports   []Port
	h       Handler
	tick    Ticker // nil: h is none
	wake    int    // eventfd
	fds     []unix.PollFd
	calls   chan func()
	pending atomic.Bool
	done    chan struct{} // closed when Run has ended
	batch   Batch
}

// spin is how long the loop looks for further packets before it sleeps. Waking
// a thread costs the sender and the router more than many packets do.
const spin = 20 * time.Microsecond

// idle bounds the sleep, so that ports in trouble are looked at again.
const idle = time.Second

// NewLoop returns a loop over ports, which it doesn't own.
func NewLoop(h Handler, ports ...Port) (*Loop, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("datapath: eventfd: %w", err)
	}
	l := &Loop{ports: ports, h: h, wake: wake, calls: make(chan func(), 16), done: make(chan struct{})}
	l.tick, _ = h.(Ticker)
	l.fds = make([]unix.PollFd, len(ports)+1)
	return l, nil
}

// Run moves packets until ctx ends, and then returns nil. It may be called
// once. The caller closes the ports afterwards.
func (l *Loop) Run(ctx context.Context) error {
	defer close(l.done)
	stop := context.AfterFunc(ctx, l.interrupt)
	defer stop()
	var busy time.Time // when packets last came
	for {
		n, err := l.round()
		if err != nil {
			return err
		}
		if n > 0 {
			busy = time.Time{}
		} else if now := time.Now(); busy.IsZero() {
			busy = now
		}
		if l.pending.Load() || n == 0 {
			l.pending.Store(false)
			if ctx.Err() != nil {
				return nil
			}
			l.runCalls()
		}
		wait, err := l.due()
		if err != nil {
			return err
		}
		if n == 0 && time.Since(busy) > spin {
			if err := l.sleep(wait); err != nil {
				return err
			}
			busy = time.Time{}
		}
	}
}

// round handles one batch of each port.
func (l *Loop) round() (n int, err error) {
	for i, p := range l.ports {
		b := &l.batch
		b.N = 0
		if err := p.Recv(b); err != nil {
			return n, err
		}
		if b.N == 0 {
			p.Release()
			continue
		}
		now := time.Now()
		for _, pkt := range b.Data[:b.N] {
			l.h.Packet(i, pkt, now)
		}
		p.Release()
		if err := l.flush(); err != nil {
			return n, err
		}
		n += b.N
	}
	return n, nil
}

func (l *Loop) flush() error {
	for _, p := range l.ports {
		if err := p.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// due ticks if it is time, and returns how long the loop may sleep.
func (l *Loop) due() (time.Duration, error) {
	if l.tick == nil {
		return idle, nil
	}
	at := l.tick.Due()
	if at.IsZero() {
		return idle, nil
	}
	now := time.Now()
	if wait := at.Sub(now); wait > 0 {
		return min(wait, idle), nil
	}
	l.tick.Tick(now)
	return 0, l.flush()
}

func (l *Loop) sleep(wait time.Duration) error {
	for i, p := range l.ports {
		l.fds[i] = unix.PollFd{Fd: int32(p.FD()), Events: unix.POLLIN}
	}
	l.fds[len(l.ports)] = unix.PollFd{Fd: int32(l.wake), Events: unix.POLLIN}
	for {
		// Rounded up: a wait under a millisecond must not become a spin.
		n, err := unix.Poll(l.fds, int((wait + time.Millisecond - 1).Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("datapath: poll: %w", err)
		}
		if err != nil {
			continue
		}
		if n == 0 || !l.onlyTrouble() {
			return nil
		}
	}
}

// onlyTrouble reports that poll returned for nothing but errors. An interface
// that is down or gone reports one for ever: its port then sleeps out the rest
// of the idle time, so that the loop doesn't spin.
func (l *Loop) onlyTrouble() bool {
	only := true
	for i := range l.fds {
		f := &l.fds[i]
		switch {
		case f.Revents&unix.POLLIN != 0:
			only = false
		case f.Revents != 0:
			// Fetching the error of a socket clears it.
			_, _ = unix.GetsockoptInt(int(f.Fd), unix.SOL_SOCKET, unix.SO_ERROR)
			f.Fd = -1
		}
	}
	if l.fds[len(l.ports)].Revents&unix.POLLIN != 0 {
		var b [8]byte
		_, _ = unix.Read(l.wake, b[:])
	}
	return only
}

func (l *Loop) interrupt() {
	l.pending.Store(true)
	_, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

func (l *Loop) runCalls() {
	for {
		select {
		case f := <-l.calls:
			f()
		default:
			return
		}
	}
}

// Do runs f in the loop's goroutine, between two batches, and returns when it
// has run. It returns false, and f has not run, when the loop has ended.
func (l *Loop) Do(f func()) bool {
	ran := make(chan struct{})
	select {
	case l.calls <- func() { f(); close(ran) }:
	case <-l.done:
		return false
	}
	l.interrupt()
	select {
	case <-ran:
		return true
	case <-l.done:
		select {
		case <-ran:
			return true
		default:
			return false
		}
	}
}

// Close frees the loop after Run has ended.
func (l *Loop) Close() error { return unix.Close(l.wake) }
