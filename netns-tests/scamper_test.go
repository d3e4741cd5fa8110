//go:build linux

package netnstests

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/demo"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/internal/netlab/versus"
)

// scamperReading is the oracle's opinion of a path.
type scamperReading struct {
	versus.Reading
	text string
}

// disagrees marks a reading that is not the truth.
const disagrees = "DISAGREES"

func (r scamperReading) against(truth int) string {
	s := strconv.Itoa(r.MTU)
	if r.Inferred {
		s = "*" + s
	}
	if r.MTU != truth {
		s += " " + disagrees
	}
	return s
}

// scamperIsAble says on which paths the oracle can be expected to be right: its
// search takes an MTU that a router names at its word if packets of that size
// pass, so it can't see through one that names too little.
func scamperIsAble(p demo.Path, truth int) bool {
	return p.PTB.Mode != netlab.PTBLying || p.PTB.MTU == 0 || p.PTB.MTU >= truth
}

// askScamperBoth asks the oracle about both families at the same time.
func askScamperBoth(t *testing.T, lab *netlab.Lab) map[int]scamperReading {
	t.Helper()
	_, err := exec.LookPath("scamper")
	labtest.Need(t, err == nil, "scamper (Debian package scamper)")
	// It makes this folder if there is none, and gives up if another one just did.
	require.NoError(t, os.MkdirAll("/var/empty", 0o755))
	var v4, v6 scamperReading
	g, ctx := errgroup.WithContext(t.Context())
	g.Go(func() (err error) { v4, err = askScamper(ctx, lab, 4); return err })
	g.Go(func() (err error) { v6, err = askScamper(ctx, lab, 6); return err })
	require.NoError(t, g.Wait())
	return map[int]scamperReading{4: v4, 6: v6}
}

// askScamper runs scamper's traceroute with path MTU discovery from cli to srv.
// A wait of one second (-w) instead of five is ample here: a round trip takes
// under a millisecond.
func askScamper(ctx context.Context, lab *netlab.Lab, family int) (scamperReading, error) {
	srv, ok := lab.Addr("srv", family)
	if !ok {
		return scamperReading{}, fmt.Errorf("srv has no IPv%d address", family)
	}
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	stdout, stderr, err := lab.Node("cli").Run(ctx, "scamper", "-c", "trace -M -w 1", "-i", srv.String())
	if err != nil {
		return scamperReading{}, fmt.Errorf("scamper: %w: %s", err, stderr)
	}
	r := scamperReading{versus.ReadScamper(stdout, srv), string(stdout)}
	if r.MTU == 0 {
		return r, fmt.Errorf("scamper names no MTU of %v: %s%s", srv, stdout, stderr)
	}
	return r, nil
}

func TestAgainst(t *testing.T) {
	assert.Equal(t, "*1420", scamperReading{Reading: versus.Reading{MTU: 1420, Inferred: true}}.against(1420))
	assert.Equal(t, "1360 DISAGREES", scamperReading{Reading: versus.Reading{MTU: 1360}}.against(1420))
}
