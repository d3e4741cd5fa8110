//go:build linux

package netnstests

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/demo"
	"pathmtu/internal/netlab/labtest"
)

var (
	delivered = netlab.PTB{}
	filtered  = netlab.PTB{Mode: netlab.PTBFiltered}
)

func says(mtu int) netlab.PTB { return netlab.PTB{Mode: netlab.PTBLying, MTU: mtu} }

// oddPaths are those that no table of plausible MTUs would hit, in addition to
// the paths of "pmtu lab demo".
//
//	cli ==edge== r1 --bottleneck-- r2 ==edge== srv
var oddPaths = []struct {
	edge, bottleneck int
	behaviours       []netlab.PTB
}{
	{9000, 1281, []netlab.PTB{delivered, filtered, says(1280)}},
	{9000, 1399, []netlab.PTB{delivered, filtered, says(1400)}},
	{9000, 1427, []netlab.PTB{delivered, filtered, says(0)}},
	{9000, 1473, []netlab.PTB{delivered, filtered, says(576)}},
	{9000, 1501, []netlab.PTB{delivered, filtered, says(1500)}},
	{9000, 4352, []netlab.PTB{delivered, filtered, says(65535)}},
	{9000, 8999, []netlab.PTB{delivered, filtered, says(9000)}},
	{1500, 1281, []netlab.PTB{delivered, filtered, says(1279)}},
	{1500, 1399, []netlab.PTB{delivered, filtered, says(67)}},
	{1500, 1427, []netlab.PTB{delivered, filtered, says(1426)}},
	{1500, 1473, []netlab.PTB{delivered, filtered, says(1474)}},
	{1500, 1499, []netlab.PTB{delivered, filtered, says(1281)}},
}

func allPaths() []demo.Path {
	paths := demo.Paths()
	for _, odd := range oddPaths {
		for _, ptb := range odd.behaviours {
			paths = append(paths, demo.Path{Edge: odd.edge, Bottleneck: odd.bottleneck, PTB: ptb})
		}
	}
	return paths
}

// TestPaths measures every path in both families with both methods and with the
// oracle. The program must be exact on all of them.
func TestPaths(t *testing.T) {
	var side sideBySide
	drops := labtest.SoftnetDrops(t)
	t.Run("all", func(t *testing.T) {
		for _, p := range allPaths() {
			t.Run(p.Topology().Name, func(t *testing.T) {
				t.Parallel()
				measurePath(t, p, &side)
			})
		}
	})
	t.Logf("\n%s\n%d packets dropped by a full backlog meanwhile", side.table(), labtest.SoftnetDrops(t)-drops)
}

func measurePath(t *testing.T, p demo.Path, side *sideBySide) {
	lab := build(t, p.Topology())
	rows := measureRows(t, lab, p)
	oracles := askScamperBoth(t, lab)
	for _, family := range []int{4, 6} {
		var found []string
		for _, r := range rows[family] {
			assert.True(t, r.OK, "IPv%d %s: %s", family, r.Method, r.Wrong)
			if r.Record != nil && r.Record.PMTU != nil {
				found = append(found, fmt.Sprint(*r.Record.PMTU))
			}
		}
		oracle := oracles[family]
		truth := rows[family][0].Truth
		side.add(fmt.Sprintf("%-32s IPv%d truth %5d  pmtu %-11s scamper %s",
			lab.Topology.Name, family, truth, strings.Join(found, " "), oracle.against(truth)))
		if scamperIsAble(p, truth) {
			assert.Equal(t, truth, oracle.MTU, "IPv%d: the oracle disagrees where it is able\n%s", family, oracle.text)
		}
	}
}

// measureRows takes all measurements of a path at the same time.
func measureRows(t *testing.T, lab *netlab.Lab, p demo.Path) map[int][]demo.Row {
	t.Helper()
	rows := map[int][]demo.Row{4: make([]demo.Row, 2), 6: make([]demo.Row, 2)}
	g, ctx := errgroup.WithContext(t.Context())
	for family, out := range rows {
		for k, method := range []string{"icmp", "udp"} {
			g.Go(func() (err error) {
				ctx, cancel := context.WithTimeout(ctx, time.Minute)
				defer cancel()
				out[k], err = demo.Measure(ctx, lab, p, program, family, method)
				return err
			})
		}
	}
	require.NoError(t, g.Wait())
	return rows
}

// sideBySide collects lines of parallel tests.
type sideBySide struct {
	mu    sync.Mutex
	lines []string
}

func (s *sideBySide) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *sideBySide) table() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.lines)
	disagree := 0
	for _, l := range s.lines {
		if strings.Contains(l, disagrees) {
			disagree++
		}
	}
	return fmt.Sprintf("%s\n%d comparisons, scamper disagrees with the truth in %d", strings.Join(s.lines, "\n"), len(s.lines), disagree)
}
