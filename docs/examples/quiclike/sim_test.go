package quiclike

import (
	"bytes"
	"container/heap"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/plpmtud"
)

// sim carries packets between a sender and a receiver in virtual time.
type sim struct {
	t       *testing.T
	now     time.Time
	began   time.Time
	s       *sender
	r       *receiver
	mtu     func(at time.Duration) int // IP packets that the path carries
	events  []plpmtud.Event
	transit flights
	order   int
	growth  int // how much the window grew where it must not
}

type arrival struct {
	at    time.Time
	order int
	b     []byte
	ack   bool
}

type flights []arrival

func (f flights) Len() int { return len(f) }
func (f flights) Less(i, j int) bool {
	return f[i].at.Before(f[j].at) || f[i].at.Equal(f[j].at) && f[i].order < f[j].order
}
func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)   { *f = append(*f, x.(arrival)) }
func (f *flights) Pop() any {
	old := *f
	x := old[len(old)-1]
	*f = old[:len(old)-1]
	return x
}

const oneWay = 10 * time.Millisecond

func newSim(t *testing.T, stream []byte, window int, raise time.Duration, mtu func(time.Duration) int) (*sim, *bytes.Buffer) {
	m := &sim{t: t, now: time.Unix(1000, 0), mtu: mtu}
	m.began = m.now
	got := &bytes.Buffer{}
	m.r = &receiver{dst: got, held: map[uint64]chunk{}}
	var err error
	m.s, err = newSender(bytes.NewReader(stream), Config{MaxWindow: window, Path: plpmtud.Config{
		Overhead: 28, Max: 1472, RaiseInterval: raise,
		Trace: func(e plpmtud.Event) { m.events = append(m.events, e) },
	}}, 42, m.now)
	require.NoError(t, err)
	return m, got
}

func (m *sim) run(most time.Duration) {
	for !m.s.done() {
		require.Less(m.t, m.now.Sub(m.began), most, "PLPMTU %d, window %d, offset %d", m.s.path.PLPMTU(), m.s.window.size, m.r.offset)
		m.s.tick(m.now)
		for {
			b, err := m.s.next(m.now)
			require.NoError(m.t, err)
			if b == nil {
				break
			}
			if len(b)+28 <= m.mtu(m.now.Sub(m.began)) {
				m.send(b, false)
			}
		}
		if b := m.r.ack(m.now); b != nil {
			m.send(b, true)
		}
		next := m.s.wake()
		if m.r.unsaid > 0 {
			if at := m.r.since.Add(maxAckDelay); next.IsZero() || at.Before(next) {
				next = at
			}
		}
		if len(m.transit) > 0 && (next.IsZero() || !m.transit[0].at.After(next)) {
			a := heap.Pop(&m.transit).(arrival)
			m.now = a.at
			if a.ack {
				size, plpmtu := m.s.window.size, m.s.path.PLPMTU()
				flying := m.s.inFlight
				m.s.received(m.now, a.b)
				if m.s.path.PLPMTU() > plpmtu {
					m.growth = max(m.growth, m.s.window.size-size-max(flying-m.s.inFlight, 0))
				}
			} else {
				require.NoError(m.t, m.r.received(m.now, a.b))
			}
			continue
		}
		require.False(m.t, next.IsZero(), "nothing left to wait for")
		m.now = later(m.now.Add(time.Microsecond), next)
	}
}

func (m *sim) send(b []byte, ack bool) {
	m.order++
	heap.Push(&m.transit, arrival{m.now.Add(oneWay), m.order, bytes.Clone(b), ack})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func stream(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = io.ReadFull(r, b)
	return b
}

// D3-7c, D3-7d, D3-7e: the losses of a search are no congestion, and the window
// does not grow because a packet may be larger.
func TestProbesLeaveTheWindowAlone(t *testing.T) {
	data := stream(2 << 20)
	m, got := newSim(t, data, 64<<10, 0, func(time.Duration) int { return 1400 })
	m.run(time.Minute)
	assert.True(t, bytes.Equal(data, got.Bytes()))
	lost := 0
	for _, e := range m.events {
		if e.Kind == plpmtud.ProbeLost {
			lost++
		}
	}
	assert.Positive(t, lost, "the search lost probes")
	assert.Equal(t, lost, m.s.stats.Lost, "and nothing else was lost")
	assert.True(t, m.s.window.cut.IsZero(), "the window was never reduced")
	assert.LessOrEqual(t, m.growth, 0, "a larger PLPMTU adds nothing to the window")
	assert.InDelta(t, 1400-28, m.s.path.PLPMTU(), 3)
}

// A path that shrinks to 1280 and grows again, without a word.
func TestPathThatChanges(t *testing.T) {
	data := stream(7 << 20)
	m, got := newSim(t, data, 16<<10, 3*time.Second, func(at time.Duration) int {
		if at > time.Second && at < 4*time.Second {
			return 1280
		}
		return 1500
	})
	m.run(2 * time.Minute)
	assert.True(t, bytes.Equal(data, got.Bytes()))
	var fell, rose time.Duration
	for _, e := range m.events {
		at := e.Time.Sub(m.began)
		switch {
		case e.Kind != plpmtud.SizeChange:
		case fell == 0 && e.New < e.Old:
			fell = at
			assert.Equal(t, plpmtud.BlackHoled, e.Cause)
		case fell != 0 && e.New+28 == 1500:
			rose = at
		}
	}
	assert.Greater(t, fell, time.Second)
	assert.Less(t, fell, 2*time.Second, "noticed within a second")
	assert.Greater(t, rose, 4*time.Second, "grown by the raise timer")
	assert.Less(t, rose, 8*time.Second)
	assert.Equal(t, 1472, m.s.path.PLPMTU())
	t.Logf("fell after %v, rose after %v", fell-time.Second, rose-4*time.Second)
}
