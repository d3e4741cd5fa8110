package plpmtud

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// A few packets of a band prove nothing, even if all of them are lost.
func TestFewPacketsAreNotGrey(t *testing.T) {
	s := newStream(t, 40, func(size int) bool { return size > 1200 && size < 1300 })
	for i := range 5000 {
		switch {
		case i%1000 == 500:
			s.packet(1250)
		case i%10 == 0:
			s.packet(100)
		default:
			s.packet(1452)
		}
	}
	advised, report := s.p.GreyHole()
	require.Zero(t, advised, "%v", report)
	require.Equal(t, 1452, s.p.PLPMTU())
}

// D3-e, D8-4: where half of the large packets take a path of smaller MTU, the
// path contradicts itself; a conservative size is held for as long as a fall is
// remembered.
func TestPathsOfUnequalMTU(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := newStream(t, 40, func(size int) bool { return size > 1400 && rng.IntN(2) == 0 })
	for range 5000 {
		size := s.p.PLPMTU()
		if rng.IntN(10) == 0 {
			size = 100
		}
		s.packet(size)
	}
	require.Equal(t, Error, s.p.State())
	require.Equal(t, 1200, s.p.PLPMTU())
	require.Contains(t, s.causes(SizeChange), Contradiction)
}
