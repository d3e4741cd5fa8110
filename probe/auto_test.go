package probe

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
)

// host is a simulated host that answers some methods, each over a path of its own.
type host struct {
	v6      bool
	answers map[string]path
	unable  string           // a method that this system has no privilege for
	asked   map[string]int   // packets that asked
	sizes   map[string][]int // sent to measure
}

// auto lets an Auto choose, and returns it and the sequence of methods measured by.
func (h *host) auto(t *testing.T) (a *Auto, measured []string) {
	t.Helper()
	h.asked, h.sizes = map[string]int{}, map[string][]int{}
	a = NewAuto()
	for step, ok := a.Next(); ok; step, ok = a.Next() {
		for _, name := range step.Ask {
			if name == h.unable {
				a.Unable(name, errors.New("not permitted"))
				continue
			}
			o, sizes := h.session(t, name, Config.Question)
			h.asked[name] = len(sizes)
			a.Asked(name, o)
		}
		if step.Ask == nil {
			measured = append(measured, step.Measure)
			if step.Measure == h.unable {
				a.Unable(step.Measure, errors.New("not permitted"))
				a.Measured(nil)
				continue
			}
			o, sizes := h.session(t, step.Measure, func(c Config) Config { c.Eager = true; return step.Apply(c) })
			h.sizes[step.Measure] = sizes
			a.Measured([]Outcome{o})
		}
	}
	return a, measured
}

func (h *host) session(t *testing.T, name string, change func(Config) Config) (Outcome, []int) {
	p, ok := h.answers[name]
	p.v6 = h.v6
	if !ok {
		p.dead = true
	}
	o := p.run(t, newSession(t, &p, name, func(c *Config) { *c = change(*c) }))
	return o, p.sizes
}

// TestAutoOnlyOne: whatever the only method is that a host answers, it is found
// within the number of packets that is promised, and measures.
func TestAutoOnlyOne(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, only := range slices.Concat([]string{"udp"}, askFirst, askThen) {
			const truth = 1408
			h := &host{v6: v6, answers: map[string]path{only: {forward: truth, ptb: says(truth)}}}
			a, measured := h.auto(t)
			want := []string{"udp", only}
			if only == "udp" {
				want[1] = "icmp"
			}
			assert.Equal(t, want, measured)
			require.Len(t, a.Found(), 1, only)
			o := a.Found()[0]
			require.NotNil(t, o.PMTU, "%s: %s", only, o.Error)
			assert.Equal(t, only, o.Method.Method)
			assert.Equal(t, truth, *o.PMTU, only)
			assert.Equal(t, results.OK, o.Verdict)
			total := 0
			for name, n := range h.asked {
				total += n
				want := AskTries
				if name == only {
					want = 1
				}
				assert.Equal(t, want, n, "%s, of a host that answers %s", name, only)
			}
			for name, sizes := range h.sizes {
				if name != only {
					total += len(sizes)
					assert.LessOrEqual(t, len(sizes), AskTries, "%s: %v", name, sizes)
				}
			}
			assert.LessOrEqual(t, total, 14)
			for _, m := range a.Others() {
				assert.Equal(t, results.Unresponsive, m.Verdict, m.Method)
			}
		}
	}
}

// TestAuto: which methods measure a host that answers several, and what is left out.
func TestAuto(t *testing.T) {
	honest, silent := path{forward: 1420, ptb: says(1420)}, path{forward: 1420}
	limited := path{forward: 1260}
	tests := []struct {
		name     string
		host     host
		measured []string
		asked    []string
		verdicts []results.Verdict
	}{
		{"everything", host{answers: map[string]path{"icmp": honest, "udp": honest, "tcp": honest, "dns": honest}},
			[]string{"udp", "icmp"}, nil, []results.Verdict{results.OK, results.LocalLimit}},
		{"nothing but udp", host{answers: map[string]path{"udp": honest}},
			[]string{"udp", "icmp"}, nil, []results.Verdict{results.OK}},
		{"no privilege for icmp", host{unable: "icmp", answers: map[string]path{"icmp": honest, "udp": honest}},
			[]string{"udp", "icmp"}, nil, []results.Verdict{results.OK}},
		{"no udp", host{answers: map[string]path{"icmp": honest, "tcp": honest}},
			[]string{"udp", "tcp", "icmp"}, []string{"icmp", "tcp"}, []results.Verdict{results.OK, results.LocalLimit}},
		{"no privilege for tcp", host{unable: "tcp", answers: map[string]path{"icmp": honest, "tcp": honest}},
			[]string{"udp", "icmp"}, []string{"icmp", "quic", "dns", "stun", "ntp"}, []results.Verdict{results.OK}},
		{"a black hole", host{answers: map[string]path{"icmp": silent, "udp": silent}},
			[]string{"udp", "icmp"}, nil, []results.Verdict{results.OKSilent, results.OKSilent}},
		{"a black hole for udp alone", host{answers: map[string]path{"icmp": {forward: 1500}, "udp": silent}},
			[]string{"udp", "icmp"}, nil, []results.Verdict{results.OKSilent, results.OK}},
		{"a narrow way back", host{answers: map[string]path{"icmp": {forward: 1500, reverse: 1400}, "tcp": {forward: 1500}}},
			[]string{"udp", "tcp", "icmp"}, []string{"icmp", "tcp"}, []results.Verdict{results.OK, results.OKSilent}},
		{"a narrow way back, and a black hole", host{answers: map[string]path{"icmp": {forward: 1420, reverse: 1400}, "udp": silent}},
			[]string{"udp", "icmp"}, nil, []results.Verdict{results.OKSilent, results.OKSilent}},
		{"echo and a server with a limit", host{answers: map[string]path{"icmp": {forward: 1500}, "dns": limited}},
			[]string{"udp", "dns", "icmp"}, []string{"icmp", "tcp", "quic", "dns", "stun", "ntp"}, []results.Verdict{results.OKSilent, results.OK}},
		{"two servers, one with a limit", host{answers: map[string]path{"dns": limited, "stun": honest}},
			[]string{"udp", "dns", "stun"}, []string{"icmp", "tcp", "quic", "dns", "stun", "ntp"}, []results.Verdict{results.OKSilent, results.OK}},
		{"two servers behind a black hole", host{answers: map[string]path{"dns": silent, "stun": silent, "ntp": silent}},
			[]string{"udp", "dns", "stun"}, []string{"icmp", "tcp", "quic", "dns", "stun", "ntp"}, []results.Verdict{results.OKSilent, results.OKSilent}},
		{"the first stops answering", host{answers: map[string]path{"udp": {forward: 1420, dieAfter: 3}, "tcp": honest}},
			[]string{"udp", "tcp"}, []string{"icmp", "tcp"}, []results.Verdict{results.NoVerdict, results.OK}},
		{"nothing", host{}, []string{"udp"}, []string{"icmp", "tcp", "quic", "dns", "stun", "ntp"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, measured := test.host.auto(t)
			assert.Equal(t, test.measured, measured)
			var asked []string
			for name := range test.host.asked {
				asked = append(asked, name)
			}
			assert.ElementsMatch(t, test.asked, asked)
			var verdicts []results.Verdict
			for _, o := range a.Found() {
				verdicts = append(verdicts, o.Verdict)
			}
			assert.Equal(t, test.verdicts, verdicts)
			if test.verdicts == nil {
				for _, o := range a.Silent() {
					assert.Equal(t, results.Unresponsive, o.Verdict)
				}
				assert.Len(t, a.Silent(), 1+len(askFirst)+len(askThen))
			}
		})
	}
}

// TestAutoBelowMin: a path that carries less than the least size of interest is
// not measured again by another method.
func TestAutoBelowMin(t *testing.T) {
	a := NewAuto()
	step, ok := a.Next()
	require.True(t, ok)
	assert.Equal(t, Step{Measure: "udp", Tentative: true}, step)
	a.Measured([]Outcome{{End: BelowMin}})
	_, ok = a.Next()
	assert.False(t, ok)
}

// TestAutoPackets: a host that answers both udp and echo is measured in fewer packets
// than asking it first would take.
func TestAutoPackets(t *testing.T) {
	for _, c := range []struct {
		name      string
		path      path
		udp, icmp []int
	}{
		{"whole", path{forward: 1500}, []int{1500}, []int{1500}},
		{"honest", path{forward: 1420, ptb: says(1420)}, []int{1500, 1420, 1421}, []int{1420}},
		{"silent", path{forward: 1420}, nil, []int{1420, 1421, 44}},
	} {
		h := &host{answers: map[string]path{"udp": c.path, "icmp": c.path}}
		a, _ := h.auto(t)
		assert.Empty(t, h.asked)
		if c.udp != nil {
			assert.Equal(t, c.udp, h.sizes["udp"], c.name)
		}
		assert.Equal(t, c.icmp, h.sizes["icmp"], c.name)
		for _, o := range a.Found() {
			require.NotNil(t, o.PMTU, c.name)
			assert.Equal(t, c.path.forward, *o.PMTU, c.name)
		}
	}
}

// TestExpect: what another method found is tried first; where it isn't the truth, the
// search is as thorough as without.
func TestExpect(t *testing.T) {
	for _, truth := range []int{1280, 1419, 1420, 1421, 1422, 1492, 1500} {
		for _, expect := range []int{45, 1000, 1420, 1499, 1500} {
			for _, ptb := range []func(int) (int, bool){nil, says(truth)} {
				p := &path{forward: truth, ptb: ptb}
				o := p.run(t, newSession(t, p, "icmp", func(c *Config) { c.Expect, c.Eager = expect, true }))
				require.NotNil(t, o.PMTU, "%d, expecting %d: %s", truth, expect, o.Error)
				assert.Equal(t, truth, *o.PMTU, "expecting %d: %v", expect, p.sizes)
				assert.Equal(t, expect, p.sizes[0])
				if truth == 1500 {
					assert.Equal(t, results.OK, o.Verdict)
				}
			}
		}
	}
	_, err := New(Config{Method: NewICMP(Target{Addr: host4}, 1), Target: host4, FirstHop: 1500, Expect: 1501})
	assert.ErrorContains(t, err, "Expect is 1501, want 0 to Max (1500 bytes)")
}

// TestQuestion: the question ends as soon as it is answered.
func TestQuestion(t *testing.T) {
	p := &path{forward: 1500}
	s := newSession(t, p, "icmp", func(c *Config) { c.Min, c.Loss = 1400, 50; *c = c.Question() })
	o := p.run(t, s)
	require.NotNil(t, o.PMTU)
	assert.Equal(t, []int{44}, p.sizes)
	assert.Less(t, time.Duration(o.Elapsed)*time.Microsecond, 100*time.Millisecond)
}
