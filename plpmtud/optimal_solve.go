package plpmtud

// The assumptions of Optimal; see optimal.go.
const (
	// judgedLoss is how often a probe that fits is taken to be lost when losses
	// are weighed: the answer has to be right on a path that loses 10 %.
	judgedLoss = 0.1
	// usualLoss is the same when time is counted: most paths lose far less.
	usualLoss = 0.02
	// wasteAllowed is the expected unused share of the payload at which the
	// search may stop.
	wasteAllowed = 0.002
	// excessCost is what each further unit of waste costs, in losses: it makes
	// a premature end cost more than any probe that can still avert it.
	excessCost = 1e4
	// solvedProbes is the MAX_PROBES that tables are solved for. After two
	// losses that count against a size, the third gives it up.
	solvedProbes = 3
	// headers is taken off an IP packet to count its payload: UDP over IPv6.
	headers = 48
)

// Actions of a table that are no index of a size.
const actStop = 0xff

// A table is the solution for one support, one top and one loss cost: for each
// state of the evidence, what to do. It doesn't change once solved.
//
// A state says, in indices of the support's sizes: floor f is acknowledged, u
// is the smallest size that is impossible (n: none is), and a <= b are the sizes
// of the losses that count, u where there are fewer than two. Three losses that
// count against a size make it impossible, so there are never more.
type table struct {
	n     int
	start []int32                 // by f*(n+1)+u: where the states of (f, u) begin
	act   [solvedProbes][]uint8   // by PROBE_COUNT: the action of each state
	value [solvedProbes][]float32 // expected cost in RTT; only kept for tests
}

// pair numbers the losses (a, b), f < a <= b <= u, of one (f, u).
func pair(f, a, b int) int32 {
	a, b = a-f-1, b-f-1
	return int32(b*(b+1)/2 + a)
}

func (t *table) index(f, u, a, b int) int32 {
	return t.start[f*(t.n+1)+u] + pair(f, a, b)
}

// lose returns the state's evidence after a further loss at s.
func lose(u, a, b, s int) (u1, a1, b1 int) {
	switch {
	case a == u:
		return u, s, u
	case b == u:
		return u, min(a, s), max(a, s)
	}
	lo, mid, hi := min(a, s), max(a, min(b, s)), max(b, s) // a <= b
	return hi, min(lo, hi), min(mid, hi)
}

// gain returns the losses that still count after s was acknowledged.
func gain(u, a, b, s int) (a1, b1 int) {
	switch {
	case s >= b:
		return u, u
	case s >= a:
		return b, u
	}
	return a, b
}

// cells is the belief before any probe: the mass of the path MTUs from one size
// of a support up to the next, and the same divided by each one's payload.
type cells struct {
	size          []uint16  // the support
	mass, perByte []float64 // prefix sums: those of cells before i
}

func newCells(s *support, top int) cells {
	n := top + 1
	c := cells{size: s.size[:n], mass: make([]float64, n+1), perByte: make([]float64, n+1)}
	for i := range n {
		mass, perByte := s.mass[i], s.perByte[i]
		if i == top { // larger path MTUs are no use
			mass = s.above[i]
			perByte = mass / payload(int(s.size[i]))
		}
		c.mass[i+1] = c.mass[i] + mass
		c.perByte[i+1] = c.perByte[i] + perByte
	}
	return c
}

func payload(size int) float64 { return float64(max(size-headers, 1)) }

// total returns the mass of what is possible in a state, each part weighed by
// the losses that count against it, and how much of the payload goes to waste
// if the floor stays, as a share of 1.
func (c *cells) total(f, u, a, b int) (mass, waste float64) {
	const p = judgedLoss
	own := c.mass[f+1] - c.mass[f]
	above := c.mass[a] - c.mass[f+1] + p*(c.mass[b]-c.mass[a]) + p*p*(c.mass[u]-c.mass[b])
	used := c.perByte[a] - c.perByte[f+1] + p*(c.perByte[b]-c.perByte[a]) + p*p*(c.perByte[u]-c.perByte[b])
	if mass = own + above; mass <= 0 {
		return 0, 0
	}
	return mass, (above - payload(int(c.size[f]))*used) / mass
}

// solver holds what solve needs besides the table.
type solver struct {
	*table
	cells
	lossCost float64
	stop     []float32 // cost of ending the search in each state
}

// solve computes the table by backward induction. Every probe leads to a state
// with a larger floor, more losses or a smaller u; only probes of the floor
// itself lead back to the same evidence, with PROBE_COUNT 0.
func solve(s *support, top int, lossCost float64) *table {
	n := top + 1
	x := solver{
		table:    &table{n: n, start: make([]int32, n*(n+1))},
		cells:    newCells(s, top),
		lossCost: lossCost,
	}
	states := int32(0)
	for f := range n {
		for u := f + 1; u <= n; u++ {
			x.start[f*(n+1)+u] = states
			d := int32(u - f)
			states += d * (d + 1) / 2
		}
	}
	for k := range solvedProbes {
		x.act[k] = make([]uint8, states)
		x.value[k] = make([]float32, states)
	}
	x.stop = make([]float32, states)
	for f := n - 1; f >= 0; f-- {
		for u := f + 1; u <= n; u++ {
			for a := f + 1; a < u; a++ { // two losses
				for b := a; b < u; b++ {
					x.state(f, u, a, b)
				}
			}
			for a := f + 1; a < u; a++ { // one
				x.state(f, u, a, u)
			}
			x.state(f, u, u, u) // none
		}
	}
	return x.table
}

// state finds the best action of one state, for each PROBE_COUNT.
func (x *solver) state(f, u, a, b int) {
	i := x.index(f, u, a, b)
	mass, waste := x.total(f, u, a, b)
	stop := max(waste-wasteAllowed, 0) * excessCost * x.lossCost
	x.stop[i] = float32(stop)
	best := [solvedProbes]float64{stop, stop, stop}
	act := [solvedProbes]uint8{actStop, actStop, actStop}
	if stop > 0 && mass > 0 {
		tail := 0.0
		for s := u - 1; s > f; s-- {
			w := x.mass[s+1] - x.mass[s]
			if s >= a {
				w *= judgedLoss
			}
			if s >= b {
				w *= judgedLoss
			}
			tail += w
			arrives := tail / mass * (1 - usualLoss)
			a1, b1 := gain(u, a, b, s)
			acked := arrives * (1 + float64(x.value[0][x.index(s, u, a1, b1)]))
			least := acked + (1-arrives)*x.lossCost
			if least >= best[0] && least >= best[1] && least >= best[2] {
				continue
			}
			u1, a1, b1 := lose(u, a, b, s)
			next := x.index(f, u1, a1, b1)
			for k := range solvedProbes {
				after := x.stop[next]
				if k+1 < solvedProbes {
					after = x.value[k+1][next]
				}
				if v := least + (1-arrives)*float64(after); v < best[k] {
					best[k], act[k] = v, uint8(s)
				}
			}
		}
	}
	// A probe of the floor puts PROBE_COUNT back to 0.
	for k := solvedProbes - 1; k > 0; k-- {
		after := stop
		if k+1 < solvedProbes {
			after = best[k+1]
		}
		if v := (1-usualLoss)*(1+best[0]) + usualLoss*(x.lossCost+after); v < best[k] {
			best[k], act[k] = v, uint8(f)
		}
	}
	for k := range solvedProbes {
		x.act[k][i], x.value[k][i] = act[k], float32(best[k])
	}
}
