package pathsim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// arrivals is what reached the end of a path, with times after Epoch.
type arrivals struct {
	sizes  []int
	times  []time.Duration
	tooBig []TooBig
	when   []time.Duration
}

func newTestPath(s *Sim, hops ...Hop) (*Path, *arrivals) {
	a := &arrivals{}
	p := NewPath(s, "p", hops, func(p Packet) {
		a.sizes = append(a.sizes, p.Size)
		a.times = append(a.times, s.Since())
	}, func(m TooBig) {
		a.tooBig = append(a.tooBig, m)
		a.when = append(a.when, s.Since())
	})
	return p, a
}

func TestMTUChangesAndTooBig(t *testing.T) {
	s := New(1)
	narrow := MTUs{{MTU: 1500}, {After: time.Second, MTU: 1400}, {After: 2 * time.Second, MTU: 1450}}
	p, a := newTestPath(s,
		One(Link{MTU: MTU(9000), Delay: 10 * time.Millisecond}),
		One(Link{MTU: narrow, Delay: 5 * time.Millisecond, TooBig: Honest}))
	send := func(size int) { p.Send(Packet{Size: size}); s.Run(100 * time.Millisecond) }

	send(1500)
	require.Equal(t, []int{1500}, a.sizes)
	require.Equal(t, 15*time.Millisecond, a.times[0])
	send(1501)
	require.Equal(t, []TooBig{{Hop: 1, MTU: 1500, Packet: Packet{Size: 1501}}}, a.tooBig)
	require.Equal(t, 120*time.Millisecond, a.when[0], "there and back over the first hop")
	send(9001) // the first hop says nothing
	require.Len(t, a.tooBig, 1)
	assert.Equal(t, 1500, p.MTU(0))

	s.Run(time.Second)
	assert.Equal(t, 1400, p.MTU(0))
	send(1500)
	require.Len(t, a.tooBig, 2)
	assert.Equal(t, 1400, a.tooBig[1].MTU)
	s.Run(time.Second)
	send(1450)
	assert.Equal(t, []int{1500, 1450}, a.sizes)
	assert.Equal(t, 3, p.TooLarge)
	assert.Equal(t, 5, p.Sent)
	assert.Equal(t, 2, p.Delivered)
}

func TestLyingAndPartialTooBig(t *testing.T) {
	s := New(1)
	lie := func(mtu, size int) int { return size - mtu }
	p, a := newTestPath(s, One(Link{MTU: MTU(1000), TooBig: lie, TooBigRate: 0.25}))
	for range 1000 {
		p.Send(Packet{Size: 1234})
	}
	s.Run(time.Second)
	assert.InDelta(t, 250, len(a.tooBig), 50)
	assert.Equal(t, 234, a.tooBig[0].MTU)
	assert.Empty(t, a.sizes)
}

func TestRateAndQueue(t *testing.T) {
	s := New(1)
	p, a := newTestPath(s, One(Link{Rate: 100_000, Queue: 3000, Delay: time.Millisecond}))
	for range 10 {
		p.Send(Packet{Size: 1000}) // 10 ms each
	}
	s.Run(time.Second)
	require.Equal(t, []time.Duration{11 * time.Millisecond, 21 * time.Millisecond, 31 * time.Millisecond}, a.times)
}

func TestGreyHoleLosesOnlyLargePackets(t *testing.T) {
	s := New(1)
	p, a := newTestPath(s, One(Link{Grey: Grey{Above: 1440, Rate: 0.2}}))
	for range 1000 {
		p.Send(Packet{Size: 1440})
		p.Send(Packet{Size: 1441})
	}
	s.Run(time.Second)
	n := map[int]int{}
	for _, size := range a.sizes {
		n[size]++
	}
	assert.Equal(t, 1000, n[1440])
	assert.InDelta(t, 800, n[1441], 50)
}

func TestReorderAndDuplicate(t *testing.T) {
	s := New(1)
	p, a := newTestPath(s, One(Link{Delay: 10 * time.Millisecond, Reorder: 0.1, Late: 5 * time.Millisecond, Duplicate: 0.2}))
	for i := range 1000 {
		p.Send(Packet{Size: i})
		s.Run(time.Millisecond)
	}
	s.Run(time.Second)
	assert.InDelta(t, 1200, len(a.sizes), 50)
	late := 0
	seen := 0
	for _, size := range a.sizes {
		if size < seen {
			late++
		}
		seen = max(seen, size)
	}
	assert.InDelta(t, 100, late, 40)
}

func TestECMP(t *testing.T) {
	links := []Link{{MTU: MTU(1500)}, {MTU: MTU(1400)}}
	t.Run("by flow", func(t *testing.T) {
		s := New(1)
		p, a := newTestPath(s, Hop{Links: links})
		n := map[int]int{}
		for flow := range uint64(1000) {
			got := len(a.sizes)
			p.Send(Packet{Size: 1450, Flow: flow})
			p.Send(Packet{Size: 1450, Flow: flow})
			s.Run(time.Millisecond)
			switch got = len(a.sizes) - got; got {
			case 0:
				require.Equal(t, 1400, p.MTU(flow))
			case 2:
				require.Equal(t, 1500, p.MTU(flow))
			default:
				t.Fatalf("flow %d takes both links", flow)
			}
			n[p.MTU(flow)]++
		}
		assert.InDelta(t, 500, n[1500], 60)
	})
	t.Run("by packet", func(t *testing.T) {
		s := New(1)
		p, a := newTestPath(s, Hop{Links: links, Spread: ByPacket})
		for range 1000 {
			p.Send(Packet{Size: 1450})
		}
		s.Run(time.Second)
		assert.InDelta(t, 500, len(a.sizes), 60)
		assert.Equal(t, 1400, p.MTU(0))
	})
}
