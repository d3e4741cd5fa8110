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
	unable  string // a method that this system has no privilege for
	asked   map[string]int
}

// auto lets an Auto choose, and returns it and the sequence of methods measured by.
func (h *host) auto(t *testing.T) (a *Auto, measured []string) {
	t.Helper()
	h.asked = map[string]int{}
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
			o, _ := h.session(t, step.Measure, func(c Config) Config { c.Max = step.Max; return c })
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
		for _, only := range slices.Concat(askFirst, askThen) {
			const truth = 1408
			h := &host{v6: v6, answers: map[string]path{only: {forward: truth, ptb: says(truth)}}}
			a, measured := h.auto(t)
			assert.Equal(t, []string{only}, measured)
			require.Len(t, a.Found(), 1, only)
			o := a.Found()[0]
			require.NotNil(t, o.PMTU, "%s: %s", only, o.Error)
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
			assert.LessOrEqual(t, total, 14)
			assert.Len(t, a.Others(), len(h.asked)-1)
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
			[]string{"tcp", "icmp"}, []string{"icmp", "udp", "tcp"}, []results.Verdict{results.OK, results.LocalLimit}},
		{"no privilege for tcp", host{unable: "tcp", answers: map[string]path{"icmp": honest, "udp": honest, "tcp": honest}},
			[]string{"udp", "icmp"}, []string{"icmp", "udp"}, []results.Verdict{results.OK, results.LocalLimit}},
		{"a black hole", host{answers: map[string]path{"icmp": silent, "udp": silent}},
			[]string{"udp", "icmp"}, []string{"icmp", "udp", "tcp"}, []results.Verdict{results.OKSilent, results.OKSilent}},
		{"a narrow way back", host{answers: map[string]path{"icmp": {forward: 1500, reverse: 1400}, "tcp": {forward: 1500}}},
			[]string{"tcp", "icmp"}, []string{"icmp", "udp", "tcp"}, []results.Verdict{results.OK, results.OKSilent}},
		{"echo and a server with a limit", host{answers: map[string]path{"icmp": {forward: 1500}, "dns": limited}},
			[]string{"dns", "icmp"}, []string{"icmp", "udp", "tcp", "quic", "dns", "stun", "ntp"}, []results.Verdict{results.OKSilent, results.OK}},
		{"two servers, one with a limit", host{answers: map[string]path{"dns": limited, "stun": honest}},
			[]string{"dns", "stun"}, []string{"icmp", "udp", "tcp", "quic", "dns", "stun", "ntp"}, []results.Verdict{results.OKSilent, results.OK}},
		{"two servers behind a black hole", host{answers: map[string]path{"dns": silent, "stun": silent, "ntp": silent}},
			[]string{"dns", "stun"}, []string{"icmp", "udp", "tcp", "quic", "dns", "stun", "ntp"}, []results.Verdict{results.OKSilent, results.OKSilent}},
		{"the first stops answering", host{answers: map[string]path{"tcp": {forward: 1420, dieAfter: 3}, "udp": honest}},
			[]string{"tcp", "udp"}, []string{"icmp", "udp", "tcp"}, []results.Verdict{results.NoVerdict, results.OK}},
		{"nothing", host{}, nil, []string{"icmp", "udp", "tcp", "quic", "dns", "stun", "ntp"}, nil},
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
			if test.measured == nil {
				for _, o := range a.Silent() {
					assert.Equal(t, results.Unresponsive, o.Verdict)
				}
				assert.Len(t, a.Silent(), len(askFirst)+len(askThen))
			}
		})
	}
}

// TestAutoBelowMin: a path that carries less than the least size of interest is
// not measured again by another method.
func TestAutoBelowMin(t *testing.T) {
	a := NewAuto()
	one := 44
	answered := Outcome{Method: results.Method{PMTU: &one, Direction: results.Forward}}
	_, _ = a.Next()
	for _, name := range askFirst {
		a.Asked(name, answered)
	}
	step, ok := a.Next()
	require.True(t, ok)
	assert.Equal(t, Step{Measure: "tcp"}, step)
	a.Measured([]Outcome{{End: BelowMin}})
	_, ok = a.Next()
	assert.False(t, ok)
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
