package quiclike

import "time"

const (
	// segment is what the window grows by in a round trip. It is fixed, so that
	// a larger PLPMTU does not make the window grow faster.
	segment    = 1200
	minWindow  = 2 * segment
	initWindow = 10 * segment
)

// window is a NewReno congestion window, in bytes.
type window struct {
	size      int
	threshold int // slow start ends here; 0: not known
	most      int
	cut       time.Time // when it was last reduced
}

// acked lets the window grow by a packet that arrived.
func (w *window) acked(size int, sent time.Time) {
	if sent.Before(w.cut) {
		return
	}
	if w.threshold == 0 || w.size < w.threshold {
		w.size += size
	} else {
		w.size += max(segment*size/w.size, 1)
	}
	w.size = min(w.size, w.most)
}

// lost halves the window, once for all that was sent before it was halved.
func (w *window) lost(now, sent time.Time) {
	if sent.Before(w.cut) {
		return
	}
	w.cut = now
	w.size = max(w.size/2, minWindow)
	w.threshold = w.size
}

// rtt is the estimator of RFC 9002 section 5.
type rtt struct{ smoothed, variation time.Duration }

func (r *rtt) sample(d time.Duration) {
	d = max(d, time.Microsecond)
	if r.smoothed == 0 {
		r.smoothed, r.variation = d, d/2
		return
	}
	r.variation = (3*r.variation + (r.smoothed - d).Abs()) / 4
	r.smoothed = (7*r.smoothed + d) / 8
}

// probeTimeout is the PTO of RFC 9002 section 6.2, without back-off.
func (r *rtt) probeTimeout() time.Duration {
	if r.smoothed == 0 {
		return 500 * time.Millisecond
	}
	return r.smoothed + max(4*r.variation, time.Millisecond) + maxAckDelay
}

// lossDelay is its time threshold (section 6.1.2).
func (r *rtt) lossDelay() time.Duration { return max(r.smoothed*9/8, time.Millisecond) }
