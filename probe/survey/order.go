package survey

import (
	"math/bits"
)

// Order is a permutation of 0 to N-1 that depends on a seed: a Feistel network
// over the next power of four, walked along its cycles until the value is below
// N. It keeps nothing, and is safe for concurrent use.
type Order struct {
	n    uint64
	half uint // bits of each half
	keys [rounds]uint64
}

const rounds = 6

// NewOrder returns the Order of n values for a seed. n is at most 2^62.
func NewOrder(n, seed uint64) Order {
	o := Order{n: n, half: max(1, uint(bits.Len64(max(n, 1)-1)+1)/2)}
	for i := range o.keys {
		seed += 0x9e3779b97f4a7c15
		o.keys[i] = scramble(seed)
	}
	return o
}

// At returns the value at a position below n. Each value is at one position.
func (o *Order) At(position uint64) uint64 {
	x := position
	for {
		x = o.feistel(x)
		if x < o.n {
			return x
		}
	}
}

func (o *Order) feistel(x uint64) uint64 {
	mask := uint64(1)<<o.half - 1
	l, r := x>>o.half, x&mask
	for _, k := range o.keys {
		l, r = r, l^scramble(r^k)&mask
	}
	return l<<o.half | r
}

// scramble is the finaliser of a 64-bit hash: every bit of x reaches every bit
// of the result.
func scramble(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
