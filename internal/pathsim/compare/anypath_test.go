package compare

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/internal/pathsim"
	"pathmtu/plpmtud"
)

// Whatever a path does, the PLPMTU rises only by proof, stays within its bounds,
// and in the end is what the path carries.
func TestAnyPath(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		mtu := rapid.OneOf(rapid.IntRange(1280, 1500), rapid.SampledFrom([]int{1280, 1400, 1420, 1440, 1460, 1492, 1500}))
		mtus := pathsim.MTUs{{MTU: mtu.Draw(r, "mtu")}}
		at := time.Duration(0)
		for range rapid.IntRange(0, 2).Draw(r, "changes") {
			at += time.Duration(rapid.IntRange(1, 20_000).Draw(r, "after ms")) * time.Millisecond
			mtus = append(mtus, pathsim.MTUChange{After: at, MTU: mtu.Draw(r, "new mtu")})
		}
		l := pathsim.Link{MTU: mtus}
		rate := rapid.SampledFrom([]float64{0, 0.001, 0.02}).Draw(r, "loss")
		if rapid.Bool().Draw(r, "bursts") {
			l.Loss = &pathsim.Burst{Rate: rate, Mean: 4}
		} else {
			l.Loss = pathsim.IID(rate)
		}
		l.Reorder = rapid.SampledFrom([]float64{0, 0.1}).Draw(r, "reorder")
		l.Late = time.Duration(rapid.IntRange(0, 60).Draw(r, "late ms")) * time.Millisecond
		l.Duplicate = rapid.SampledFrom([]float64{0, 0.1}).Draw(r, "duplicate")
		lie := rapid.IntRange(-200, 200).Draw(r, "lie")
		hints := rapid.Bool().Draw(r, "too big")
		if hints {
			l.TooBig = func(mtu, _ int) int { return mtu + lie }
		}
		o := options{
			seed: rapid.Uint64().Draw(r, "seed"), narrow: pathsim.One(l), hints: hints,
			interval: time.Duration(rapid.IntRange(2, 20).Draw(r, "interval ms")) * time.Millisecond,
			every:    rapid.IntRange(1, 10).Draw(r, "every"), quiet: true,
			cfg: plpmtud.Config{RaiseInterval: 30 * time.Second, PerSize: rapid.Bool().Draw(r, "per size")},
		}
		s := newScenario(t, o)
		s.sim.Run(at + 20*time.Second)
		truth := s.flow.Forward.MTU(0)
		for _, e := range s.events {
			require.GreaterOrEqual(r, e.New, 1200)
			require.LessOrEqual(r, e.New, 1472)
		}
		s.honest()
		if hints && lie < 0 {
			// believed for five minutes
			s.sim.Run(6 * time.Minute)
		}
		if s.path.MTU() > truth || s.path.State() == plpmtud.Error {
			s.sim.Run(31 * time.Second)
		}
		require.LessOrEqual(r, s.path.MTU(), truth, "%v\n%s", s.sim, s.tail(30))
		if rate == 0 && !hints {
			s.sim.Run(40 * time.Second) // a raise at least
			require.GreaterOrEqual(r, float64(s.path.PLPMTU()), 0.97*float64(truth-28), "%v\n%s", s.sim, s.tail(30))
		}
	})
}
