package netnstests

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
)

// located is a peer's opinion: the router before the narrowest link, and the MTU.
type located struct {
	router string
	mtu    int
}

// tracepathShrink is a line of tracepath's output for a router that refused.
var tracepathShrink = regexp.MustCompile(`^ *\d+: +(\S+) +[\d.]+ms +(?:asymm +\d+ +)?pmtu (\d+)`)

func parseTracepath(text string) (out located) {
	for line := range strings.Lines(text) {
		if m := tracepathShrink.FindStringSubmatch(line); m != nil {
			out.router = m[1]
			out.mtu, _ = strconv.Atoi(m[2])
		}
	}
	return out
}

// locateInScamper reads which hop comes before the first one with the final MTU.
func locateInScamper(text string) (out located) {
	before, last := "", 0
	for line := range strings.Lines(text) {
		m := scamperHop.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		if mtu, err := strconv.Atoi(m[3]); err == nil && mtu != last {
			out, last = located{before, mtu}, mtu
		}
		before = m[1]
	}
	return out
}

func TestParsePeersOfTrace(t *testing.T) {
	assert.Equal(t, located{"198.51.100.6", 1413}, parseTracepath(" 1?: [LOCALHOST]  pmtu 1500\n 1:  198.51.100.2   0.1ms \n 2:  198.51.100.6   0.027ms pmtu 1413\n 3:  x 0.2ms reached\n     Resume: pmtu 1413 hops 4 back 4\n"))
	assert.Zero(t, parseTracepath(""))
	assert.Equal(t, located{"198.51.100.6", 1413}, locateInScamper("traceroute from a to b\n 1  198.51.100.2  0.048 ms [mtu: 1500]\n 2  198.51.100.6  0.127 ms [mtu: 1500]\n 3  198.51.100.10  0.151 ms [*mtu: 1413]\n"))
}

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
				want := located{router, 1413}
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				if c.ptb == delivered { // first: it believes what the kernel has learnt
					began := time.Now()
					out, errOut, err := lab.Node("cli").Run(ctx, "tracepath", "-n", srv.String())
					require.NoError(t, err, "%s", errOut)
					assert.Equal(t, want, parseTracepath(string(out)), "tracepath: %s", out)
					t.Logf("tracepath: %v", time.Since(began))
				}
				var g errgroup.Group
				g.Go(func() error {
					began := time.Now()
					r, err := askScamper(ctx, lab, family)
					if err == nil {
						assert.Equal(t, want, locateInScamper(r.text), "scamper: %s", r.text)
						t.Logf("scamper: %v", time.Since(began))
					}
					return err
				})
				require.NoError(t, g.Wait())
				began := time.Now()
				r, o := runTrace(t, lab, family, nil, "--tcp-port", "0", "--no-options")
				require.NotNil(t, r.PMTU, o.stdout+o.stderr)
				require.NotNil(t, r.Bottleneck, o.stdout)
				assert.Equal(t, want, located{r.Bottleneck.Addr, *r.PMTU})
				t.Logf("pmtu trace: %v", time.Since(began))
			})
		}
	}
}
