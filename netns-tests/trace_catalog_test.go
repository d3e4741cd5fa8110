//go:build linux

package netnstests

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/demo"
	"pathmtu/results"
)

// On the catalog's topologies with more than one place to name, each is named.
func TestTraceCatalog(t *testing.T) {
	for _, c := range []struct {
		name    string
		hop     int // of the bottleneck
		verdict results.Verdict
		exact   int // honest routers
		passes  []int
	}{
		{"staircase", 5, results.OK, 5, []int{9000, 4352, 1500, 1492, 1420, 1280}},
		{"half-silent", 2, results.OKSilent, 1, []int{9000, 1500, 1420, 1420}},
		{"unequal-ends", 1, results.OKSilent, 0, nil}, // what a veth end takes beyond its MTU is the kernel's business
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			topology, ok := netlab.FindTopology(c.name)
			require.True(t, ok)
			lab := build(t, topology)
			for _, family := range []int{4, 6} {
				want, err := demo.Expect(topology, "cli", "srv", family)
				require.NoError(t, err)
				r, o := runTrace(t, lab, family, nil, "--tcp-port", "0", "--no-options")
				require.NotNil(t, r.PMTU, o.stdout+o.stderr)
				assert.Equal(t, want.PMTU, *r.PMTU)
				assert.Equal(t, c.verdict, r.Verdict, o.stdout)
				require.NotNil(t, r.Bottleneck, o.stdout)
				assert.Equal(t, c.hop, r.Bottleneck.Hop, o.stdout)
				exact := 0
				for _, p := range r.PTB {
					if p.Grade == results.Exact {
						exact++
					}
				}
				assert.Equal(t, c.exact, exact, "%+v", r.PTB)
				for i, want := range c.passes {
					assert.Equal(t, want, r.Trace.Hops[i].Passes, "hop %d: %s", i+1, o.stdout)
				}
			}
		})
	}
}
