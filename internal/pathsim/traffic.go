package pathsim

import "math/rand/v2"

// A Traffic chooses the sizes of an application's packets, in bytes of PL
// size, given the largest one it may use.
type Traffic interface {
	Size(r *rand.Rand, limit int) int
}

// Bulk is a transfer: full-size packets, with a share of small ones among them.
type Bulk struct {
	Small  float64 // share of packets of 40 to 239 bytes
	Within int     // full-size packets are up to this many bytes smaller than the limit, evenly
}

// The two kinds of traffic that detectors are tried with.
var (
	ExactTraffic = Bulk{Small: 0.1}
	NearTraffic  = Bulk{Small: 0.1, Within: 16}
)

// Size implements Traffic.
func (b Bulk) Size(r *rand.Rand, limit int) int {
	if b.Small > 0 && r.Float64() < b.Small {
		return min(40+r.IntN(200), limit)
	}
	if b.Within > 0 {
		return limit - r.IntN(b.Within+1)
	}
	return limit
}
