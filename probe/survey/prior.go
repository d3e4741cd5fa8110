package survey

import "pathmtu/plpmtud"

// belief is what is known of a path MTU before the first probe: cum[s] is the
// probability that it is less than s. Whatever the first hop's link doesn't
// carry counts as top.
type belief struct {
	top int
	cum []float64
}

const (
	// anything is how much of the belief is spread evenly over all sizes, so that
	// a path MTU that nobody has thought of is found too.
	anything = 0.02
	// below is the same for sizes that the protocol forbids.
	below = 0.0001
	// chance is how likely a probe that fits is lost.
	chance = 0.05
)

const mostChances = 5

// chances holds the powers of chance.
var chances = [mostChances + 1]float64{1, chance, chance * chance, 1.25e-4, 6.25e-6, 3.125e-7}

func newBelief(prior *plpmtud.Prior, least, top int) *belief {
	mass := make([]float64, top+1)
	for size, p := range prior.All() {
		if size < least {
			p *= below
		}
		mass[min(size, top)] += p
	}
	least = min(least, top)
	for s := range mass {
		if s >= least {
			mass[s] += anything / float64(top-least+1)
		} else {
			mass[s] += below / float64(least)
		}
	}
	b := &belief{top: top, cum: make([]float64, top+2)}
	for s, m := range mass {
		b.cum[s+1] = b.cum[s] + m
	}
	return b
}

// weight is the belief in a path MTU from a to b.
func (b *belief) weight(lo, hi int) float64 {
	if hi < lo {
		return 0
	}
	return b.cum[hi+1] - b.cum[lo]
}

// pick returns the size that halves what is possible: more than lo, which was
// answered, and at most hi. fails1 packets larger than soft1 were lost, and
// fails2 more that were larger than soft2: soft1 <= soft2 <= hi.
func (b *belief) pick(lo, soft1, soft2, hi int, fails1, fails2 uint8) int {
	c1 := chances[min(fails1, mostChances)]
	c2 := c1 * chances[min(fails2, mostChances)]
	tail := func(s int) float64 { // belief in a path MTU of s or more
		return b.weight(s, soft1) + c1*b.weight(max(s, soft1+1), soft2) + c2*b.weight(max(s, soft2+1), hi)
	}
	half := tail(lo) / 2
	a, z := lo+1, hi // tail(a) >= half, or a is the least possible
	for a < z {
		m := (a + z + 1) / 2
		if tail(m) >= half {
			a = m
		} else {
			z = m - 1
		}
	}
	// a is the largest that is more likely to pass than not; the next one may be
	// nearer to the half.
	if a < hi && tail(a)-half > half-tail(a+1) {
		a++
	}
	return a
}
