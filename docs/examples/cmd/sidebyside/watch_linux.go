package main

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/wiretap"
)

// watch observes a transfer at both ends of the path. It knows nothing of the
// stacks but their packets.
type watch struct {
	shrink func() error // makes the path smaller; nil: it stays as it is

	mu     sync.Mutex
	sent   []wiretap.Packet // by the sender
	came   []wiretap.Packet // to the receiver
	bytes  int              // that came
	shrunk time.Time
	err    error
}

// probe is a packet that is larger than every one that had arrived when it was
// sent, the sender's first packet aside: its size is what a sender begins with.
type probe struct {
	Size    int     `json:"size"`    // of the IP packet
	At      float64 `json:"seconds"` // since the first packet
	Arrived bool    `json:"arrived"`
}

// large is what counts as data, in bytes: more than an acknowledgement or a
// ping.
const large = 1000

func (w *watch) open(lab *netlab.Lab) ([]*wiretap.Tap, error) {
	out, err := wiretap.Open(lab.Node("cli").Namespace, "to-r1", func(p wiretap.Packet) {
		if p.Out && p.Proto == unix.IPPROTO_UDP {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.sent = append(w.sent, p)
		}
	})
	if err != nil {
		return nil, err
	}
	in, err := wiretap.Open(lab.Node("srv").Namespace, "to-r2", func(p wiretap.Packet) {
		if !p.Out && p.Proto == unix.IPPROTO_UDP {
			w.arrived(p)
		}
	})
	if err != nil {
		_ = out.Close()
		return nil, err
	}
	return []*wiretap.Tap{out, in}, nil
}

// arrived takes note of a packet, and lets the path shrink when enough came.
func (w *watch) arrived(p wiretap.Packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.came = append(w.came, p)
	w.bytes += p.Size
	if w.shrink != nil && w.shrunk.IsZero() && w.bytes >= shrinkAfter {
		w.err = w.shrink()
		w.shrunk = time.Now()
	}
}

// report sums up, when the taps are closed.
func (w *watch) report(r *row) error {
	if len(w.sent) == 0 {
		return w.err
	}
	began := w.sent[0].At
	since := func(t time.Time) float64 { return t.Sub(began).Seconds() }
	before := func(p wiretap.Packet) bool { return w.shrunk.IsZero() || p.At.Before(w.shrunk) }

	r.First = w.sent[0].Size
	largest, i := 0, 0
	for _, p := range w.sent[1:] {
		for ; i < len(w.came) && w.came[i].At.Before(p.At); i++ {
			largest = max(largest, w.came[i].Size)
		}
		if before(p) && p.Size > max(largest, r.First) {
			arrived := slices.ContainsFunc(w.came[i:], func(c wiretap.Packet) bool {
				return c.Size == p.Size && c.At.Sub(p.At) < 20*oneWay
			})
			r.Probes = append(r.Probes, probe{p.Size, since(p.At), arrived})
		}
	}
	for _, p := range w.came {
		if before(p) && p.Size > r.Final {
			r.Final, r.FinalAt = p.Size, since(p.At)
		}
	}
	if w.shrunk.IsZero() {
		return w.err
	}
	for _, p := range w.sent {
		if !before(p) && p.Size > r.ShrinkTo {
			r.TooBig++
		}
	}
	settled := w.shrunk.Add(4 * oneWay) // what was under way has arrived
	for _, p := range w.came {
		if p.At.Before(settled) || p.Size < large {
			continue
		}
		if r.Recovery == 0 {
			r.Recovery = p.At.Sub(w.shrunk).Seconds()
		}
		r.After = max(r.After, p.Size)
	}
	return w.err
}
