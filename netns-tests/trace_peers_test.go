//go:build linux

package netnstests

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/internal/netlab/versus"
)

// Where scamper and tracepath can tell the bottleneck, pmtu trace names the same
// router. tracepath needs packet-too-big messages.
func TestTraceAgreesWithPeers(t *testing.T) {
	for _, name := range []string{"scamper", "tracepath"} {
		_, err := exec.LookPath(name)
		labtest.Need(t, err == nil, name)
	}
	for _, c := range []struct {
		at  int
		ptb netlab.PTB
	}{{1, delivered}, {2, delivered}, {3, delivered}, {2, filtered}} {
		for _, family := range []int{4, 6} {
			t.Run(fmt.Sprintf("r%d/%v/ipv%d", c.at, c.ptb, family), func(t *testing.T) {
				t.Parallel()
				mtus := []int{1500, 1500, 1500, 1500}
				mtus[c.at] = 1413
				lab := build(t, netlab.Chain("peers", c.ptb, mtus...))
				srv, _ := lab.Addr("srv", family)
				router, _ := routerAddr(lab, c.at, family)
				want := versus.Reading{MTU: 1413, Router: router}
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				if c.ptb == delivered { // first: it believes what the kernel has learnt
					began := time.Now()
					out, errOut, err := lab.Node("cli").Run(ctx, "tracepath", "-n", srv.String())
					require.NoError(t, err, "%s", errOut)
					assert.Equal(t, want, versus.ReadTracepath(out, srv), "tracepath: %s", out)
					t.Logf("tracepath: %v", time.Since(began))
				}
				var g errgroup.Group
				g.Go(func() error {
					began := time.Now()
					r, err := askScamper(ctx, lab, family)
					if err == nil {
						r.Inferred = false
						assert.Equal(t, want, r.Reading, "scamper: %s", r.text)
						t.Logf("scamper: %v", time.Since(began))
					}
					return err
				})
				require.NoError(t, g.Wait())
				began := time.Now()
				r, o := runTrace(t, lab, family, nil, "--tcp-port", "0", "--no-options")
				require.NotNil(t, r.PMTU, o.stdout+o.stderr)
				require.NotNil(t, r.Bottleneck, o.stdout)
				assert.Equal(t, want, versus.Reading{MTU: *r.PMTU, Router: r.Bottleneck.Addr})
				t.Logf("pmtu trace: %v", time.Since(began))
			})
		}
	}
}
