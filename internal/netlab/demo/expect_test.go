package demo

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/results"
)

func TestExpect(t *testing.T) {
	filtered := netlab.PTB{Mode: netlab.PTBFiltered}
	says := func(mtu int) netlab.PTB { return netlab.PTB{Mode: netlab.PTBLying, MTU: mtu} }
	half, _ := netlab.FindTopology("half-silent")
	unequal, _ := netlab.FindTopology("unequal-ends")
	g := func(grades ...results.Grade) []results.Grade { return grades }
	for _, c := range []struct {
		name     string
		topology netlab.Topology
		family   int
		want     Expectation
	}{
		{"first hop is the smallest", netlab.Path(1500, 9000, filtered), 4, Expectation{1500, results.OK, nil}},
		{"all equal", netlab.Path(9000, 9000, netlab.PTB{}), 6, Expectation{9000, results.OK, nil}},
		{"delivered", netlab.Path(9000, 1420, netlab.PTB{}), 4, Expectation{1420, results.OK, g(results.Exact)}},
		{"filtered", netlab.Path(9000, 1420, filtered), 6, Expectation{1420, results.OKSilent, nil}},
		{"understated", netlab.Path(1500, 1420, says(1300)), 6, Expectation{1420, results.OK, g(results.Understated)}},
		{"too small for IPv6 only", netlab.Path(1500, 1420, says(1279)), 6, Expectation{1420, results.OK, g(results.TooSmall)}},
		{"too small for IPv6 only", netlab.Path(1500, 1420, says(1279)), 4, Expectation{1420, results.OK, g(results.Understated)}},
		{"too small", netlab.Path(1500, 1420, says(67)), 4, Expectation{1420, results.OK, g(results.TooSmall)}},
		{"zero", netlab.Path(1500, 1420, says(0)), 4, Expectation{1420, results.OK, g(results.Zero)}},
		{"overstated", netlab.Path(1500, 1420, says(1480)), 4, Expectation{1420, results.OK, g(results.Overstated, results.NotSmaller)}},
		{"two bottlenecks, one silent", half, 4, Expectation{1420, results.OKSilent, g(results.Overstated, results.NotSmaller)}},
		{"no router refuses", unequal, 4, Expectation{1504, results.OKSilent, nil}},
	} {
		got, err := Expect(c.topology, "cli", "srv", c.family)
		require.NoError(t, err, c.name)
		assert.Equal(t, c.want, got, "%s, IPv%d", c.name, c.family)
	}
	_, err := Expect(netlab.Path(1500, 1500, netlab.PTB{}), "cli", "nobody", 4)
	assert.ErrorContains(t, err, `node "nobody" has no IPv4 address`)
}

func TestJudge(t *testing.T) {
	pmtu := func(n int) *int { return &n }
	want := Expectation{PMTU: 1420, Verdict: results.OK, Grades: []results.Grade{results.Exact}}
	exact := []results.PTB{{Grade: results.Exact}}
	assert.Empty(t, want.Judge(&results.Record{PMTU: pmtu(1420), Verdict: results.OK, PTB: exact}))
	for _, c := range []struct {
		says   string
		record results.Record
	}{
		{"pmtu 1419, want 1420", results.Record{PMTU: pmtu(1419), Verdict: results.OK, PTB: exact}},
		{"pmtu not measured, want 1420; verdict unresponsive, want ok", results.Record{Verdict: results.Unresponsive, PTB: exact}},
		{"verdict ok-silent, want ok", results.Record{PMTU: pmtu(1420), Verdict: results.OKSilent, PTB: exact}},
		{`grades [], want one of ["exact"]`, results.Record{PMTU: pmtu(1420), Verdict: results.OK}},
		{"; the cause", results.Record{Verdict: results.OK, PTB: exact, Error: "the cause"}},
	} {
		assert.Contains(t, want.Judge(&c.record), c.says)
	}
	silent := Expectation{PMTU: 1420, Verdict: results.OKSilent}
	assert.Contains(t, silent.Judge(&results.Record{PMTU: pmtu(1420), Verdict: results.OKSilent, PTB: exact}), "want no packet-too-big")
}

func TestPlanCoversEverything(t *testing.T) {
	type key struct {
		edge, bottleneck int
		mode             netlab.PTBMode
	}
	have := map[key]bool{}
	kinds := map[results.Grade]bool{}
	for _, p := range Paths() {
		require.NoError(t, p.Topology().Validate())
		k := key{p.Edge, p.Bottleneck, p.PTB.Mode}
		assert.False(t, have[k], "%+v twice", k)
		have[k] = true
		for _, family := range []int{4, 6} {
			e, err := Expect(p.Topology(), "cli", "srv", family)
			require.NoError(t, err)
			if p.PTB.Mode == netlab.PTBLying {
				require.NotContains(t, e.Grades, results.Exact, "%+v doesn't lie", p)
				require.NotContains(t, e.Grades, results.TooSmall)
				for _, g := range e.Grades {
					kinds[g] = true
				}
			}
		}
	}
	for _, edge := range []int{9000, 1500} {
		for _, bottleneck := range []int{9000, 1500, 1492, 1420, 1280} {
			for _, mode := range []netlab.PTBMode{netlab.PTBDelivered, netlab.PTBFiltered, netlab.PTBLying} {
				if bottleneck < edge {
					assert.True(t, have[key{edge, bottleneck, mode}], "%d %d %v", edge, bottleneck, mode)
				}
			}
		}
	}
	for _, g := range []results.Grade{results.Understated, results.Overstated, results.Zero} {
		assert.True(t, kinds[g], g)
	}
}
