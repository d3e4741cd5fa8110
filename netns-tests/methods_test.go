//go:build linux

package netnstests

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/demo"
	"pathmtu/results"
)

// everyMethod are the methods beside icmp and udp, which TestPaths measures by, that
// reach every path of the lab: ntp doesn't, as no server answers more than 1140 bytes
// (TestServerLimits).
var everyMethod = []struct {
	name  string
	least map[int]int // from where it goes in steps, by family
	step  int
	only6 bool
}{
	{name: "quic", step: 1}, {name: "dns", step: 1}, {name: "tcp", step: 1}, {name: "udpopt", step: 1},
	{name: "stun", step: 4, least: map[int]int{4: 28, 6: 48}},
	{name: "hbh", step: 1, only6: true}, {name: "truncate", step: 1, only6: true},
}

// TestEveryMethod measures every path by every method at the same time, in both
// families, with real servers at the other end. Each is exact on each.
func TestEveryMethod(t *testing.T) {
	var measured atomic.Int64
	t.Run("all", func(t *testing.T) {
		for _, p := range allPaths() {
			t.Run(p.Topology().Name, func(t *testing.T) {
				t.Parallel()
				lab := build(t, p.Topology())
				for _, name := range []string{"nsd", "coturn", "quic-go"} {
					servers[slices.IndexFunc(servers, func(s server) bool { return s.name == name })].start(t, lab)
				}
				listen(t, lab, "80")
				g, ctx := errgroup.WithContext(t.Context())
				for _, family := range []int{4, 6} {
					srv, _ := lab.Addr("srv", family)
					answerOptions(t, lab.Node("srv"), netip.AddrPortFrom(srv, 7))
					walk, err := p.Topology().Walk("cli", srv)
					require.NoError(t, err)
					for _, m := range everyMethod {
						if m.only6 && family == 4 {
							continue
						}
						want := walk.MTU() - (walk.MTU()-m.least[family])%m.step
						g.Go(func() error {
							measured.Add(1)
							return measureExactly(ctx, t, lab, m.name, srv, want, walk.MTU())
						})
					}
				}
				require.NoError(t, g.Wait())
			})
		}
	})
	t.Logf("%d measurements", measured.Load())
}

// measureExactly measures by one method. The error is about the run.
func measureExactly(ctx context.Context, t *testing.T, lab *netlab.Lab, method string, srv netip.Addr, want, truth int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	run, err := demo.Probe(ctx, lab.Node("cli"), program, "--method", method, srv.String())
	if err != nil {
		return fmt.Errorf("%s, %v: %w", method, srv, err)
	}
	r := run.Record
	if !assert.NotNil(t, r, "%s, %v: %s", method, srv, run.Stderr) {
		return nil
	}
	what := fmt.Sprintf("%s, %v, truth %d: %s %s %q %+v", method, srv, truth, r.Verdict, r.Error, r.Evidence, r.PTB)
	if assert.NotNil(t, r.PMTU, what) {
		assert.Equal(t, want, *r.PMTU, what)
		assert.Contains(t, []results.Verdict{results.OK, results.OKSilent, results.ResponderLimit}, r.Verdict, what)
	}
	return nil
}
