package plpmtud

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestBinarySizes(t *testing.T) {
	w := walkConfig{pathMTU: 1500, base: 1228, max: 1500, lossCost: 1, trace: true}.run(Binary{})
	assert.Equal(t, []int{1364, 1432, 1468, 1484, 1492, 1496, 1500}, w.sizes)
	w = walkConfig{pathMTU: 1498, base: 1228, max: 1498, lossCost: 1, trace: true}.run(Binary{})
	assert.Equal(t, 1498, w.sizes[len(w.sizes)-1], "an odd limit is tried last")
	assert.Equal(t, 1498, w.final)
	w = walkConfig{pathMTU: 1420, base: 1228, max: 1500, lossCost: 1}.run(Binary{Step: 20})
	assert.Equal(t, 1420, w.final)
	assert.Equal(t, PerSize, Binary{}.Counting())
	assert.Zero(t, Binary{}.Next(Evidence{Floor: 1472, Ceiling: 1472, MaxProbes: 3}))
}

// A binary search ends within Step-1 bytes of the path MTU, and finds the
// maximum exactly (D5.3.2), for each path MTU.
func TestBinaryFindsEachPathMTU(t *testing.T) {
	for _, step := range []int{0, 1, 4, 20, 1 << 20} {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			within := min(max(step, 1), maxStep)
			if step == 0 {
				within = defaultStep
			}
			for mtu := 1228; mtu <= 1500; mtu++ {
				w := walkConfig{pathMTU: mtu, base: 1228, max: 1500, lossCost: 1}.run(Binary{Step: step})
				if w.final > mtu || w.final <= mtu-within || w.endless || mtu == 1500 && w.final != 1500 {
					t.Fatalf("path MTU %d: found %d in %d probes", mtu, w.final, w.probes)
				}
			}
		})
	}
}

// Whatever the evidence, each search answers 0, the floor, or a size in range.
func TestNextStaysInRange(t *testing.T) {
	searches := []Search{Binary{}, Binary{Step: 7}, PlateauTable, Optimal()}
	rapid.Check(t, func(t *rapid.T) {
		overhead := rapid.IntRange(0, 100).Draw(t, "overhead")
		e := Evidence{
			Floor:       rapid.IntRange(1, maxSize-overhead).Draw(t, "floor"),
			Ceiling:     rapid.IntRange(1, maxSize-overhead).Draw(t, "ceiling"),
			GaveUp:      rapid.Bool().Draw(t, "gave up"),
			Consecutive: rapid.IntRange(0, 20).Draw(t, "consecutive"),
			MaxProbes:   rapid.IntRange(1, 15).Draw(t, "MaxProbes"),
			LossCost:    rapid.Float32().Draw(t, "loss cost"),
			Overhead:    overhead,
		}
		last := e.Floor
		for last < e.Ceiling && e.N < maxLost && rapid.Bool().Draw(t, "more") {
			last = rapid.IntRange(last+1, e.Ceiling).Draw(t, "lost")
			e.Lost[e.N] = LostSize{Size: uint16(last), Count: uint16(rapid.IntRange(1, 20).Draw(t, "count"))}
			e.N++
		}
		for _, s := range searches {
			n := s.Next(e)
			if n != 0 && n != e.Floor && (n <= e.Floor || n > e.Ceiling) {
				t.Fatalf("%T answers %d to %+v", s, n, e)
			}
			if n != 0 && e.Floor >= e.Ceiling {
				t.Fatalf("%T answers %d, though nothing is left: %+v", s, n, e)
			}
			if n == e.Floor && e.Consecutive == 0 {
				t.Fatalf("%T probes the floor, though no loss came before: %+v", s, e)
			}
		}
	})
}
