package trace

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
)

// families runs a test in both.
func families(t *testing.T, f func(t *testing.T, v6 bool)) {
	for _, v6 := range []bool{false, true} {
		t.Run(fmt.Sprintf("v6=%v", v6), func(t *testing.T) { f(t, v6) })
	}
}

// record fills and validates a record.
func record(t *testing.T, s *sim, r Report) *results.Record {
	t.Helper()
	rec := &results.Record{Schema: results.Schema, Target: "x", Family: 4, Vantage: results.Vantage{MTU: 1500}}
	r.Fill(rec)
	require.NoError(t, rec.Validate())
	assert.LessOrEqual(t, len(s.flows), 1, "one flow")
	return rec
}

func TestBottleneckAnywhere(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for at := range 5 {
			for _, silent := range []bool{false, true} {
				hops := make([]simHop, 5)
				for i := range hops {
					hops[i].mtu = 1500
				}
				hops[at].mtu, hops[at].noPTB = 1413, silent
				s := path(t, v6, hops...)
				r, took := s.run(s.config(1500))
				what := fmt.Sprintf("after hop %d, silent %v", at+1, silent)
				rec := record(t, s, r)
				require.NotNil(t, rec.PMTU, "%s: %s", what, rec.Error)
				assert.Equal(t, 1413, *rec.PMTU, what)
				require.NotNil(t, rec.Bottleneck, what)
				assert.Equal(t, at+1, rec.Bottleneck.Hop, what)
				assert.Equal(t, simAddr(v6, 11+at).String(), rec.Bottleneck.Addr, what)
				require.Len(t, r.Shrinks, 1, what)
				assert.Equal(t, Shrink{Hop: at + 1, Next: at + 2, MTU: 1413, Fails: 1414, Refused: !silent}, r.Shrinks[0], what)
				require.Len(t, r.Hops, 6)
				assert.True(t, r.Hops[5].Target)
				for i, h := range r.Hops[:5] {
					assert.Equal(t, simAddr(v6, 11+i), h.Addr)
				}
				if silent {
					assert.Equal(t, results.OKSilent, rec.Verdict, what)
					assert.Empty(t, rec.PTB, what)
				} else {
					assert.Equal(t, results.OK, rec.Verdict, what)
					require.Len(t, rec.PTB, 1, what)
					assert.Equal(t, results.Exact, rec.PTB[0].Grade, what)
				}
				assert.Less(t, took, time.Minute, what)
			}
		}
	})
}

// Where a router of the path says so, one packet for each hop and those that find
// the size are enough: who refused it got it.
func TestHonestPathTakesFewPackets(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for at := range 3 {
			hops := []simHop{{mtu: 1500}, {mtu: 1500}, {mtu: 1500}}
			hops[at].mtu = 1413
			s := path(t, v6, hops...)
			cfg := s.config(1500)
			cfg.NoOptions, cfg.TCPPort = true, 0
			r, _ := s.run(cfg)
			require.Len(t, r.Shrinks, 1)
			assert.Equal(t, Shrink{Hop: at + 1, Next: at + 2, MTU: 1413, Fails: 1414, Refused: true}, r.Shrinks[0])
			assert.Equal(t, 1500, r.Hops[at].Passes)
			assert.LessOrEqual(t, r.Packets, len(hops)+window+3, "1500, 1413 and 1414 bytes beside one for each hop, up to two of them too far")
		}
	})
}

// Every shrink of a staircase is found, and every router on it is honest.
func TestStaircase(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		s := path(t, v6, simHop{mtu: 4352}, simHop{mtu: 1500}, simHop{mtu: 1500}, simHop{mtu: 1280})
		r, _ := s.run(s.config(9000))
		rec := record(t, s, r)
		assert.Equal(t, 1280, *rec.PMTU)
		assert.Equal(t, []Shrink{{4, 5, 1280, 1281, true}, {2, 3, 1500, 1501, true}, {1, 2, 4352, 4353, true}}, r.Shrinks)
		require.Len(t, rec.PTB, 3)
		for _, p := range rec.PTB {
			assert.Equal(t, results.Exact, p.Grade, "%+v", p)
		}
		for i, want := range []int{9000, 4352, 1500, 1500, 1280} {
			assert.Equal(t, want, r.Hops[i].Passes, "hop %d", i+1)
		}
	})
}

// Of two places where the path shrinks only the wider one says so: for senders
// that listen it is a black hole all the same.
func TestHalfSilent(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		s := path(t, v6, simHop{mtu: 1500}, simHop{mtu: 1420, noPTB: true}, simHop{mtu: 1500})
		r, _ := s.run(s.config(9000))
		rec := record(t, s, r)
		require.NotNil(t, rec.PMTU, rec.Error)
		assert.Equal(t, 1420, *rec.PMTU)
		assert.Equal(t, results.OKSilent, rec.Verdict)
		assert.Equal(t, []Shrink{{2, 3, 1420, 1421, false}, {1, 2, 1500, 1501, true}}, r.Shrinks)
		assert.Equal(t, results.Exact, rec.PTB[0].Grade)
	})
}

func TestLiars(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for _, c := range []struct {
			lie  int
			want results.Grade
		}{{1300, results.Understated}, {1450, results.Overstated}, {-1, results.Zero}, {50, results.TooSmall}, {1500, results.NotSmaller}} {
			for at := range 3 {
				hops := plainHops(3)
				hops[at].mtu, hops[at].lie = 1413, c.lie
				s := path(t, v6, hops...)
				r, _ := s.run(s.config(1500))
				rec := record(t, s, r)
				require.NotNil(t, rec.PMTU, "%v: %s", c, rec.Error)
				assert.Equal(t, 1413, *rec.PMTU, "%v", c)
				assert.Equal(t, results.OK, rec.Verdict, "%v after hop %d", c, at+1)
				assert.Equal(t, at+1, rec.Bottleneck.Hop, "%v", c)
				require.NotEmpty(t, rec.PTB, "%v", c)
				assert.Equal(t, c.want, rec.PTB[0].Grade, "%+v", rec.PTB)
			}
		}
	})
}

// Routers that ration Time Exceeded as Linux does, and a target that rations its
// own errors, do not look like narrow ones; nor do dark ones.
func TestRationsAndDarkness(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		every := time.Second
		if v6 {
			every = 250 * time.Millisecond
		}
		s := path(t, v6, simHop{mtu: 1500, every: every}, simHop{mtu: 1500, dark: true}, simHop{mtu: 1413, noPTB: true, every: every},
			simHop{mtu: 1500, every: every}, simHop{mtu: 1500, dark: true})
		s.every = every
		r, _ := s.run(s.config(1500))
		rec := record(t, s, r)
		require.NotNil(t, rec.PMTU, rec.Error)
		assert.Equal(t, 1413, *rec.PMTU)
		assert.Equal(t, 3, rec.Bottleneck.Hop)
		assert.Equal(t, []Shrink{{3, 4, 1413, 1414, false}}, r.Shrinks)
		assert.False(t, r.Hops[1].Addr.IsValid())
	})
}

// A hole between dark hops can only be bounded.
func TestHoleAmongDarkHops(t *testing.T) {
	s := path(t, true, simHop{mtu: 1500}, simHop{mtu: 1500, dark: true}, simHop{mtu: 1400, noPTB: true, dark: true}, simHop{mtu: 1500})
	r, _ := s.run(s.config(1500))
	assert.Equal(t, []Shrink{{1, 4, 1400, 1401, false}}, r.Shrinks)
}

// With random loss the result is the same.
func TestLoss(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		wrong := 0
		for seed := range uint64(20) {
			s := path(t, v6, simHop{mtu: 1500}, simHop{mtu: 1500}, simHop{mtu: 1413, noPTB: true}, simHop{mtu: 1500})
			s.loss = 0.05
			cfg := s.config(1500)
			cfg.Seed = seed
			s.rng.Uint64N(seed + 1)
			r, _ := s.run(cfg)
			rec := record(t, s, r)
			if rec.PMTU == nil || *rec.PMTU != 1413 || rec.Bottleneck == nil || rec.Bottleneck.Hop != 3 {
				wrong++
				t.Logf("seed %d: %+v", seed, rec)
			}
		}
		assert.Zero(t, wrong)
	})
}

// Each flow is measured along its own branch.
func TestBalancedFlows(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		seen := map[int]bool{}
		for port := range uint16(8) {
			s := path(t, v6)
			for _, mtu := range []int{1400, 1300} {
				s.branches = append(s.branches, path(t, v6, simHop{mtu: 1500}, simHop{mtu: mtu}, simHop{mtu: 1500}).hops)
			}
			cfg := s.config(1500)
			cfg.SourcePort += port
			r, _ := s.run(cfg)
			rec := record(t, s, r)
			require.NotNil(t, rec.PMTU, rec.Error)
			assert.Equal(t, results.OK, rec.Verdict)
			assert.Equal(t, 2, rec.Bottleneck.Hop)
			seen[*rec.PMTU] = true
		}
		assert.Equal(t, map[int]bool{1400: true, 1300: true}, seen)
	})
}

// A nearer router that repeats what a farther one said is not the bottleneck.
func TestCachedNearer(t *testing.T) {
	s := path(t, false, simHop{mtu: 1500, cached: 1413}, simHop{mtu: 1500}, simHop{mtu: 1413})
	r, _ := s.run(s.config(1500))
	rec := record(t, s, r)
	require.Equal(t, 1413, *rec.PMTU)
	grades := map[string]results.Grade{}
	for _, p := range rec.PTB {
		grades[p.From] = p.Grade
	}
	assert.Equal(t, map[string]results.Grade{"192.0.2.11": results.CachedNearer, "192.0.2.13": results.Exact}, grades)
	require.NotNil(t, rec.Bottleneck)
	assert.Equal(t, 3, rec.Bottleneck.Hop)
}

// Routers that quote no more than RFC 792 asks for.
func TestShortQuotes(t *testing.T) {
	s := path(t, false, simHop{mtu: 1500, short: true}, simHop{mtu: 1413, short: true}, simHop{mtu: 1500, short: true})
	r, _ := s.run(s.config(1500))
	rec := record(t, s, r)
	require.NotNil(t, rec.PMTU, rec.Error)
	assert.Equal(t, 1413, *rec.PMTU)
	assert.Equal(t, 2, rec.Bottleneck.Hop)
	assert.Len(t, r.Hops, 4)
	assert.Equal(t, 1460, rec.MSS.Received, "the SYN-ACK's")
	assert.False(t, rec.MSS.Clamped)
}

// A target that answers no UDP is measured by ICMP echo; one that answers
// nothing has no path MTU, but routers on the way still tell.
func TestSilentTargets(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		s := path(t, v6, simHop{mtu: 1500}, simHop{mtu: 1413}, simHop{mtu: 1500})
		s.deaf = true
		r, _ := s.run(s.config(1500))
		rec := record(t, s, r)
		require.NotNil(t, rec.PMTU, rec.Error)
		assert.Equal(t, 1413, *rec.PMTU)
		assert.Equal(t, 2, rec.Bottleneck.Hop)

		s = path(t, v6, simHop{mtu: 1500}, simHop{mtu: 1413}, simHop{mtu: 1500}, simHop{mtu: 1350})
		s.mute = true
		r, _ = s.run(s.config(1500))
		rec = record(t, s, r)
		assert.Nil(t, rec.PMTU)
		assert.Equal(t, results.Unresponsive, rec.Verdict)
		assert.Len(t, r.Hops, 4)
		require.NotNil(t, rec.Bottleneck)
		assert.Equal(t, 4, rec.Bottleneck.Hop)
		require.Len(t, r.Shrinks, 2)
		assert.Equal(t, Shrink{4, 5, 1350, 1351, true}, r.Shrinks[0])
		assert.Equal(t, Shrink{2, 3, 1413, 1414, true}, r.Shrinks[1])
	})
}
