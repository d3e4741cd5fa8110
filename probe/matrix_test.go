package probe

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"pathmtu/results"
)

// sample is one path of the matrix; everything is derived from it.
type sample struct {
	v6    bool
	link  int
	truth int     // what the path's narrowest place carries
	loss  float64 // of every packet, 0 to 1
	seed  uint64
}

// path returns a path of the sample, with as much of a rate limit as hosts have.
func (s sample) path(method string) path {
	p := path{v6: s.v6, link: s.link, forward: s.truth}
	if method == "udp" {
		p.burst, p.every = 6, time.Second
		if p.v6 {
			p.every = 100 * time.Millisecond
		}
	}
	if method == "udpopt" {
		p.lastOnly = time.Second
	}
	return p
}

// auto measures by the methods that an Auto chooses.
func (s sample) auto(t *testing.T, change func(*path)) []Outcome {
	h := &host{v6: s.v6, answers: map[string]path{}}
	for i, method := range []string{"icmp", "udp", "tcp"} {
		p := s.path(method)
		p.lose = chance(s.seed*64+uint64(i), s.loss)
		change(&p)
		h.answers[method] = p
	}
	a, _ := h.auto(t)
	if len(a.Found()) == 0 {
		return a.Silent()
	}
	return a.Found()
}

// measure runs one method over a path, in the flow of that number.
func (s sample) measure(t *testing.T, method string, flow int, p path, change func(*Config)) Outcome {
	t.Helper()
	seed := s.seed*64 + uint64(flow)
	if p.lose == nil {
		p.lose = chance(seed, s.loss)
	}
	return p.run(t, newSession(t, &p, method, func(c *Config) {
		c.Seed = seed
		c.Eager = s.seed%2 == 1
		if change != nil {
			change(c)
		}
	}))
}

// built returns the largest size up to n that a method builds.
func (s sample) built(t *testing.T, method string, n int) int {
	tr := (&path{v6: s.v6}).method(t, method).Traits()
	return exact{min: tr.Min, step: tr.Step}.down(n)
}

// sick is a pathology: how a path with it is measured, and what is to come out.
type sick struct {
	name    string
	run     func(t *testing.T, s sample) []Outcome
	pmtu    func(t *testing.T, s sample) int // 0: none is to be reported
	verdict results.Verdict
}

// alone is a pathology that one method meets.
func alone(name, method string, v results.Verdict, change func(*path)) sick {
	return sick{
		name: name + " by " + method, verdict: v,
		pmtu: func(t *testing.T, s sample) int { return s.built(t, method, s.truth) },
		run: func(t *testing.T, s sample) []Outcome {
			p := s.path(method)
			change(&p)
			return []Outcome{s.measure(t, method, 0, p, nil)}
		},
	}
}

func matrix() []sick {
	truth := func(t *testing.T, s sample) int { return s.truth }
	link := func(_ *testing.T, s sample) int { return s.link }
	none := func(*testing.T, sample) int { return 0 }
	var all []sick
	for _, m := range []string{"icmp", "udp", "tcp", "dns", "stun", "quic", "udpopt"} {
		all = append(all,
			alone("honest", m, results.OK, func(p *path) { p.ptb = says(p.forward) }),
			alone("silent", m, results.OKSilent, func(*path) {}),
			alone("understated", m, results.OK, func(p *path) { p.ptb = says(p.forward - 77) }),
			alone("overstated", m, results.OK, func(p *path) { p.ptb = says(p.forward + 33) }),
			alone("zero", m, results.OK, func(p *path) { p.ptb = says(0) }),
			alone("too small", m, results.OK, func(p *path) { p.ptb = says(60) }),
			alone("not smaller", m, results.OK, func(p *path) { p.ptb = says(65535) }),
			alone("short quotes", m, results.OK, func(p *path) { p.ptb, p.short = says(p.forward), true }),
			alone("honest, then silent", m, results.OKSilent, func(p *path) {
				// Wide enough that every method has a size that only the second drops.
				p.ptb = func(size int) (int, bool) { return 1498, size > 1498 }
			}),
		)
	}
	narrowBack := func(t *testing.T, s sample) Outcome {
		p := s.path("icmp")
		p.forward, p.reverse = s.link, s.truth
		return s.measure(t, "icmp", 1, p, nil)
	}
	wide := func(s sample, method string) path { p := s.path(method); p.forward = s.link; return p }
	all = append(all,
		sick{"narrow way back, echo alone", func(t *testing.T, s sample) []Outcome { return []Outcome{narrowBack(t, s)} }, truth, results.OKSilent},
		sick{"narrow way back", func(t *testing.T, s sample) []Outcome {
			return []Outcome{s.measure(t, "tcp", 0, wide(s, "tcp"), nil), narrowBack(t, s)}
		}, link, results.ReverseLimit},
		sick{"a server with a limit", func(t *testing.T, s sample) []Outcome {
			return []Outcome{s.measure(t, "dns", 0, s.path("dns"), nil), s.measure(t, "icmp", 1, wide(s, "icmp"), nil)}
		}, link, results.OK},
		sick{"grey hole", func(t *testing.T, s sample) []Outcome {
			p := wide(s, "icmp")
			p.lose = lossAbove(s.seed, s.loss, s.truth, 0.4)
			return []Outcome{s.measure(t, "icmp", 0, p, func(c *Config) {
				c.Loss, c.Probes = 300, 8
				c.Budget = Budget{Packets: 50000, Bytes: 1 << 30, Time: time.Hour}
			})}
		}, truth, results.LossyAbove},
	)
	auto := func(name string, v results.Verdict, ptb func(size int) func(int) (int, bool)) sick {
		return sick{name + " by auto", func(t *testing.T, s sample) []Outcome {
			return s.auto(t, func(p *path) { p.ptb = ptb(p.forward) })
		}, truth, v}
	}
	all = append(all,
		auto("honest", results.OK, says),
		auto("silent", results.OKSilent, func(int) func(int) (int, bool) { return nil }),
		auto("understated", results.OK, func(size int) func(int) (int, bool) { return says(size - 77) }),
		auto("overstated", results.OK, func(size int) func(int) (int, bool) { return says(size + 33) }),
		auto("zero", results.OK, func(int) func(int) (int, bool) { return says(0) }),
	)
	for _, speaks := range []bool{true, false} {
		all = append(all, sick{fmt.Sprintf("parallel paths, routers speak: %v", speaks), func(t *testing.T, s sample) []Outcome {
			var found []Outcome
			for flow := range 4 {
				p := s.path("icmp")
				if flow%2 == 1 {
					p.forward = 1495
				}
				if forward := p.forward; speaks {
					p.ptb = says(forward)
				}
				found = append(found, s.measure(t, "icmp", flow, p, nil))
			}
			return found
		}, none, results.Inconsistent})
	}
	return all
}

// TestPathologies: with 0 to 5 % of packets lost, less than 1 % of verdicts and
// sizes are wrong, over all that routers, hosts and paths are known to do.
func TestPathologies(t *testing.T) {
	wrong, all := 0, 0
	for _, c := range matrix() {
		bad := 0
		for _, percent := range []int{0, 1, 2, 5} {
			for i := range 24 {
				s := sample{
					v6: i%2 == 1, link: []int{1500, 9000}[i/2%2], truth: []int{1492, 1420, 1413, 1396, 1360, 1281}[i/4],
					loss: float64(percent) / 100, seed: uint64(all),
				}
				r := &results.Record{Schema: results.Schema, Target: "x", Family: 4}
				Reconcile(r, c.run(t, s))
				all++
				got := 0
				if r.PMTU != nil {
					got = *r.PMTU
				}
				if want := c.pmtu(t, s); got != want || r.Verdict != c.verdict {
					bad++
					t.Logf("%s, %d %% loss: %d %s, want %d %s: %s", c.name, percent, got, r.Verdict, want, c.verdict, fmt.Sprint(r.Error, r.Evidence))
				}
			}
		}
		wrong += bad
		assert.LessOrEqual(t, bad, 4, "%s: of 96", c.name)
	}
	t.Logf("%d of %d wrong", wrong, all)
	assert.Less(t, wrong*100, all)
}
