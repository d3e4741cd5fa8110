//go:build linux

package netnstests

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/demo"
	"pathmtu/results"
)

// TestTopologies measures the catalog's topologies that are more than a path
// with one bottleneck, one way (by UDP, whose answers are small) and in both
// families, against the walk over their data.
//
//	staircase     cli -9000- r1 -4352- r2 -1500- r3 -1492- r4 -1420- r5 -1280- srv
//	unequal-ends  cli -9000- r1 -9000|1500- r2 -9000- srv     nobody refuses
//	half-silent   cli -9000- r1 -1500- r2 -1420- r3 -1500- srv   r2 filtered
//	asymmetric    there over r1 (1500), back over r2 (1400)
//	satellite     250 ms each way, jitter, loss
func TestTopologies(t *testing.T) {
	for _, name := range []string{"staircase", "unequal-ends", "half-silent", "asymmetric", "satellite"} {
		for _, family := range []int{4, 6} {
			t.Run(fmt.Sprintf("%s/ipv%d", name, family), func(t *testing.T) {
				t.Parallel()
				topology, ok := netlab.FindTopology(name)
				require.True(t, ok)
				lab := build(t, topology)
				want, err := demo.Expect(topology, "cli", "srv", family)
				require.NoError(t, err)
				rec := probe(t, lab, "udp", family)
				assert.Empty(t, want.Judge(rec))
			})
		}
	}
}

// The way back, over r2, is 100 bytes narrower, and an echo reply is as large
// as the request. Where the reply can be fragmented, by r2 (IPv4: it has no DF)
// or by srv (IPv6, once r2's packet-too-big message told it to), the way there
// is what limits echo. Where it can't, the way back is.
func TestEchoOverANarrowerWayBack(t *testing.T) {
	for _, c := range []struct {
		family int
		ptb    netlab.PTB
		want   []int
	}{
		{4, delivered, []int{1500}},
		{4, filtered, []int{1500}},
		{6, delivered, []int{1500, 1400}}, // the reply that causes the message is lost itself
		{6, filtered, []int{1400}},
	} {
		t.Run(fmt.Sprintf("ipv%d/%v", c.family, c.ptb), func(t *testing.T) {
			t.Parallel()
			topology, ok := netlab.FindTopology("asymmetric")
			require.True(t, ok)
			for i := range topology.Nodes {
				topology.Nodes[i].PTB = c.ptb
			}
			lab := build(t, topology)
			rec := probe(t, lab, "icmp", c.family)
			t.Logf("verdict %s, evidence %q", rec.Verdict, rec.Evidence)
			require.NotNil(t, rec.PMTU)
			assert.Contains(t, c.want, *rec.PMTU)
			assert.Equal(t, results.RoundTrip, rec.Direction)
			counters, err := lab.Node("r2").Counters()
			require.NoError(t, err)
			if c.family == 6 && c.ptb == filtered {
				assert.Positive(t, counters[netlab.RulePTB6], "the way back did limit")
			}
		})
	}
}

func probe(t *testing.T, lab *netlab.Lab, method string, family int) *results.Record {
	t.Helper()
	srv, ok := lab.Addr("srv", family)
	require.True(t, ok)
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	m, err := demo.Probe(ctx, lab.Node("cli"), program, demo.Args(method, srv)...)
	require.NoError(t, err)
	require.NotNil(t, m.Record, m.Stderr)
	assert.Equal(t, exitMeasured, m.ExitCode, m.Stderr)
	return m.Record
}
