//go:build linux

package netnstests

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/internal/netlab/versus"
)

// TestBesideOthers measures a few paths with pmtu, scamper, tracepath and nmap, and
// counts packets on the wire: pmtu is right on all, sends less than scamper and
// tracepath where both are right, and, in sum, takes less time than they do. All the
// paths, and the times of each: "make versus".
func TestBesideOthers(t *testing.T) {
	t.Parallel()
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	var c versus.Config
	for _, tool := range versus.Tools(program) {
		if tool.Name == "pmtu probe, icmp" || tool.Name == "pmtu trace" {
			continue
		}
		_, err := exec.LookPath(tool.Needs)
		labtest.Need(t, err == nil, tool.Needs)
		c.Tools = append(c.Tools, tool)
	}
	for _, p := range versus.Paths() {
		switch p.Name() {
		case "path-1500-1413-delivered", "path-1500-1420-filtered", "path-1500-1420-says1360":
			c.Paths = append(c.Paths, p)
		}
	}
	require.Len(t, c.Paths, 3)
	c.Runs, c.Jobs = 1, 6
	rows, err := versus.Run(t.Context(), c)
	require.NoError(t, err)
	var table strings.Builder
	require.NoError(t, versus.WriteTable(&table, rows, c.Tools))
	t.Logf("\n%s", &table)
	seconds := map[string]float64{}
	for _, r := range rows {
		seconds[r.Tool] += r.Seconds
		if strings.HasPrefix(r.Tool, "pmtu") {
			assert.Equal(t, versus.Exact, r.Said, "%+v", r)
		}
	}
	for _, d := range versus.Duels(rows, c.Tools) {
		assert.GreaterOrEqual(t, d.OursRight, d.TheirsRight, "%s / %s", d.Ours, d.Theirs)
		if d.Theirs == "nmap" {
			continue // it is right on one of these paths at most, and sends 3 packets there, as pmtu does
		}
		assert.Positive(t, d.Both, "%s / %s", d.Ours, d.Theirs)
		assert.Less(t, d.OurPackets, d.TheirPackets, "packets of %s / %s", d.Ours, d.Theirs)
	}
	for _, patient := range []string{"scamper", "tracepath"} {
		assert.Less(t, seconds["pmtu probe, auto"], seconds[patient], "as they wait seconds for what doesn't answer: %s", patient)
	}
}
