package survey

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab/internet"
	"pathmtu/results"
)

// TestAccuracy: on an Internet with loss, lies and silence, nearly all results
// are right, and none is above the truth.
func TestAccuracy(t *testing.T) {
	const n = 3000
	for _, method := range []Kind{ICMP, UDP} {
		for _, family := range []int{4, 6} {
			t.Run(method.String()+map[int]string{4: "4", 6: "6"}[family], func(t *testing.T) {
				s := newSim(t, internet.Default(), Config{Methods: []Kind{method}}, setOf(t, targetsOf(t, family, n)))
				s.run()
				y := s.score()
				require.Equal(t, n, y.all)
				t.Logf("right %d of %d, above %d, packets a target %.2f, took %v", y.right, y.all, y.above, float64(y.packets)/n, s.now.Sub(epoch))
				for i, f := range y.wrong {
					if i < 10 {
						h := s.world.Host(f.Addr)
						t.Logf("%+v\n    truth %+v", f, h)
					}
				}
				assert.Zero(t, y.above)
				assert.Greater(t, float64(y.right)/n, 0.99)
				assert.Greater(t, float64(y.verdicts)/n, 0.99)
				for _, f := range s.finals {
					require.NoError(t, f.Record().Validate())
				}
			})
		}
	}
}

// TestExact: without loss every result is exact, verdict and grade too.
func TestExact(t *testing.T) {
	w := internet.Default()
	w.Loss, w.Exists, w.EchoLimited, w.Reverse = 0, 1, 0, 0
	s := newSim(t, w, Config{}, setOf(t, targetsOf(t, 4, 1500), targetsOf(t, 6, 1500)))
	s.run()
	require.Len(t, s.finals, 3000)
	for a, f := range s.finals {
		h := s.world.Host(a)
		require.Equal(t, h.MTU, f.PMTU, "%+v\n%+v", f, h)
		require.Equal(t, h.Verdict("icmp"), f.Verdict, "%+v\n%+v", f, h)
		switch {
		case h.MTU == 1500:
			assert.Equal(t, results.OK, f.Verdict)
			assert.Zero(t, f.PTBs)
			assert.Equal(t, 2, f.Sent)
		case h.PTB == internet.PTBFiltered && h.Wider == 0:
			assert.Equal(t, results.OKSilent, f.Verdict)
			assert.Equal(t, h.MTU+1, f.FailedSize)
			assert.Equal(t, 3, f.Fails)
		case h.PTB == internet.PTBDelivered && h.Wider == 0:
			assert.Equal(t, results.OK, f.Verdict)
			assert.Equal(t, results.Exact, f.Grade)
			assert.Equal(t, h.Router, f.Router)
			assert.Equal(t, h.Bottleneck, f.Hop)
			assert.Equal(t, 4, f.Sent)
		case h.PTB == internet.PTBLying && h.Wider == 0:
			assert.Equal(t, results.OK, f.Verdict)
			assert.NotEqual(t, results.Exact, f.Grade, "%+v %+v", f, h)
		}
	}
}

// TestHalfSilent: of two places where the path gets narrower only the first, wider
// one says so. A sender that believes it loses every large packet all the same.
func TestHalfSilent(t *testing.T) {
	w := internet.Default()
	w.Loss, w.Exists, w.EchoLimited, w.Reverse = 0, 1, 0, 0
	w.Filtered, w.Lying, w.Double = 1, 0, 1
	s := newSim(t, w, Config{}, setOf(t, targetsOf(t, 4, 300), targetsOf(t, 6, 300)))
	s.run()
	half := 0
	for a, f := range s.finals {
		h := s.world.Host(a)
		if h.Wider == 0 {
			continue
		}
		half++
		require.Equal(t, h.MTU, f.PMTU)
		assert.Positive(t, f.PTBs)
		assert.Equal(t, h.Wider, f.Claim)
		assert.Equal(t, results.OKSilent, f.Verdict, "%+v\n%+v", f, h)
		r := f.Record()
		require.NoError(t, r.Validate())
		assert.Nil(t, r.Bottleneck, "nobody said where it is")
		require.Len(t, r.PTB, 1)
		assert.Equal(t, results.Overstated, r.PTB[0].Grade)
		assert.Len(t, r.Evidence, 1)
	}
	assert.Greater(t, half, 100)
}

// TestRationedPTB: a router that names the path MTU once, and then says nothing
// any more, has spoken of the narrowest place.
func TestRationedPTB(t *testing.T) {
	w := internet.Default()
	w.Loss, w.Exists, w.EchoLimited, w.Reverse = 0, 1, 0, 0
	w.Filtered, w.Lying, w.PTBLimited, w.Double = 0, 0, 1, 0
	w.Together = 0
	c := Config{Methods: []Kind{ICMP}, Gap: 50 * time.Millisecond, Calm: 50 * time.Millisecond}
	s := newSim(t, w, c, setOf(t, targetsOf(t, 4, 300)))
	s.run()
	lost := 0
	for a, f := range s.finals {
		h := s.world.Host(a)
		require.Equal(t, results.OK, f.Verdict, "%+v\n%+v", f, h)
		if h.PTB != internet.PTBLimited {
			continue
		}
		lost += min(f.Fails, 1)
		b := f.Record().Bottleneck
		require.NotNil(t, b)
		assert.Equal(t, h.Router.String(), b.Addr)
	}
	assert.Positive(t, lost, "some were not told of the size that fails")
}

// TestOwnLimit: what this system doesn't send is the first hop's limit, not a
// router's, and no black hole.
func TestOwnLimit(t *testing.T) {
	w := internet.Default()
	w.Loss, w.Exists, w.EchoLimited, w.Reverse = 0, 1, 0, 0
	s := newSim(t, w, Config{}, setOf(t, targetsOf(t, 4, 200)))
	s.most = 1400
	s.run()
	narrow := 0
	for a, f := range s.finals {
		h := s.world.Host(a)
		require.Equal(t, min(h.MTU, s.most), f.PMTU)
		if h.MTU < s.most {
			narrow++
			assert.Equal(t, h.Verdict("icmp"), f.Verdict, "%+v\n%+v", f, h)
			continue
		}
		assert.Equal(t, results.OK, f.Verdict)
		assert.Nil(t, f.Record().Bottleneck)
	}
	assert.Positive(t, narrow)
}
