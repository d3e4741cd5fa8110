package survey

import (
	"testing"

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
