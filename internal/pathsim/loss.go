package pathsim

import "math/rand/v2"

// A Loss decides which packets a link loses, whatever their size. One belongs
// to one link.
type Loss interface {
	Lose(r *rand.Rand) bool
}

// IID loses each packet with the same probability, independently.
type IID float64

// Lose implements Loss.
func (p IID) Lose(r *rand.Rand) bool { return p > 0 && r.Float64() < float64(p) }

// Burst is a Gilbert model: in its bad state every packet is lost. Bursts have
// a geometric length.
type Burst struct {
	// Rate is the share of all packets that are lost, 0 to below 1.
	Rate float64
	// Mean is the mean length of a burst, in packets; at least 1.
	Mean float64

	bad bool
}

// Lose implements Loss.
func (b *Burst) Lose(r *rand.Rand) bool {
	leave := 1 / b.Mean
	enter := leave * b.Rate / (1 - b.Rate)
	if b.bad {
		b.bad = r.Float64() >= leave
	} else {
		b.bad = r.Float64() < enter
	}
	return b.bad
}

// Grey is loss that depends on the size: of packets larger than Above, a share
// is lost on top of all other loss. It is what a tunnel that fragments its
// outer packets does on a lossy link.
type Grey struct {
	Above int     // bytes of IP packet
	Rate  float64 // 0 to 1
}

func (g Grey) lose(size int, r *rand.Rand) bool {
	return g.Rate > 0 && size > g.Above && r.Float64() < g.Rate
}
