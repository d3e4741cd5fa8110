package survey

import "time"

// meter bounds a rate by the generic cell rate algorithm: at is when the
// traffic so far would have been sent at exactly that rate.
type meter struct {
	at    time.Duration
	each  float64       // nanoseconds a unit; 0: no bound
	burst time.Duration // how far at may be ahead
}

func newMeter(perSecond float64, burst time.Duration) meter {
	if perSecond == 0 {
		return meter{}
	}
	// It begins as if the burst had been used: one Engine after another must not
	// have a burst each.
	return meter{at: burst, each: 1e9 / perSecond, burst: burst}
}

// wait returns how long the next units have to wait.
func (m *meter) wait(now time.Duration) time.Duration {
	if m.each == 0 {
		return 0
	}
	return max(m.at-m.burst-now, 0)
}

func (m *meter) take(now time.Duration, units float64) {
	if m.each != 0 {
		m.at = max(m.at, now) + time.Duration(units*m.each)
	}
}

// meters bounds packets and bits.
type meters struct{ packets, bits meter }

func newMeters(r Rates, burst time.Duration) meters {
	return meters{newMeter(r.Packets, burst), newMeter(r.Bits, burst)}
}

func (m *meters) wait(now time.Duration) time.Duration {
	return max(m.packets.wait(now), m.bits.wait(now))
}

func (m *meters) take(now time.Duration, size int) {
	m.packets.take(now, 1)
	m.bits.take(now, float64(size)*8)
}

// shared bounds the rates of any number of networks in a table of fixed size.
// Networks that meet in it share one bound: they are slower than they have to
// be, never faster. nil: no bound.
type shared struct {
	packets, bits     []time.Duration
	eachPacket, eachB float64
}

// sharedSize is a power of two: 8 MiB for each of packets and bits.
const sharedSize = 1 << 20

func newShared(r Rates) *shared {
	if r == (Rates{}) {
		return nil
	}
	s := &shared{}
	if r.Packets != 0 {
		s.packets, s.eachPacket = make([]time.Duration, sharedSize), 1e9/r.Packets
	}
	if r.Bits != 0 {
		s.bits, s.eachB = make([]time.Duration, sharedSize), 1e9/r.Bits
	}
	return s
}

func (s *shared) wait(now time.Duration, key uint64) time.Duration {
	if s == nil {
		return 0
	}
	w := time.Duration(0)
	i := scramble(key) % sharedSize
	if s.packets != nil {
		w = max(w, s.packets[i]-now)
	}
	if s.bits != nil {
		w = max(w, s.bits[i]-now)
	}
	return w
}

func (s *shared) take(now time.Duration, key uint64, size int) {
	if s == nil {
		return
	}
	i := scramble(key) % sharedSize
	if s.packets != nil {
		s.packets[i] = max(s.packets[i], now) + time.Duration(s.eachPacket)
	}
	if s.bits != nil {
		s.bits[i] = max(s.bits[i], now) + time.Duration(s.eachB*float64(size)*8)
	}
}

// netKey names the /24 or /48 of an address.
func netKey(n number) uint64 {
	if n.is4() {
		return n.lo >> 8
	}
	return n.hi >> 16
}
