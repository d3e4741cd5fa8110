package netnstests

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	"pathmtu/internal/netlab/demo"
	"pathmtu/internal/netlab/labtest"
)

// scamperReading is the oracle's opinion of a path.
type scamperReading struct {
	mtu      int  // of the last hop; 0: it has none
	inferred bool // without a packet-too-big message
	text     string
}

// disagrees marks a reading that is not the truth.
const disagrees = "DISAGREES"

func (r scamperReading) against(truth int) string {
	s := strconv.Itoa(r.mtu)
	if r.inferred {
		s = "*" + s
	}
	if r.mtu != truth {
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
	r, err := parseScamper(string(stdout), srv.String())
	if err != nil {
		return scamperReading{}, fmt.Errorf("%w: %s%s", err, stdout, stderr)
	}
	return r, nil
}

// scamperHop is a line of scamper's text output: hop, address, time and, in
// brackets, the MTU up to there, with a star where it is a guess from silence.
var scamperHop = regexp.MustCompile(`^ *\d+  (\S+)  [\d.]+ ms(?: \[(\*?)mtu: (\d+)\])?`)

func parseScamper(text, dst string) (scamperReading, error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	hop := scamperHop.FindStringSubmatch(lines[len(lines)-1])
	switch {
	case hop == nil:
		return scamperReading{}, errors.New("scamper: the last line is no hop")
	case hop[1] != dst:
		return scamperReading{}, fmt.Errorf("scamper: the last hop is %s, not %s", hop[1], dst)
	}
	r := scamperReading{inferred: hop[2] == "*", text: text}
	if hop[3] != "" {
		var err error
		if r.mtu, err = strconv.Atoi(hop[3]); err != nil {
			return scamperReading{}, fmt.Errorf("scamper: %w", err)
		}
	}
	return r, nil
}

func TestParseScamper(t *testing.T) {
	head := "traceroute from 198.51.100.1 to 198.51.100.10\n 1  198.51.100.2  0.082 ms [mtu: 9000] nhmtu 1480!\n"
	for _, c := range []struct {
		last string
		want scamperReading
	}{
		{" 3  198.51.100.10  0.059 ms [mtu: 1360]\n", scamperReading{mtu: 1360}},
		{" 3  198.51.100.10  0.059 ms [*mtu: 1420]\n", scamperReading{mtu: 1420, inferred: true}},
		{"13  198.51.100.10  1.0 ms\n", scamperReading{}},
	} {
		got, err := parseScamper(head+c.last, "198.51.100.10")
		require.NoError(t, err)
		got.text = ""
		assert.Equal(t, c.want, got)
	}
	_, err := parseScamper(head, "198.51.100.10")
	assert.ErrorContains(t, err, "the last hop is 198.51.100.2")
	_, err = parseScamper(head+" 2  *\n", "198.51.100.10")
	assert.ErrorContains(t, err, "no hop")
	_, err = parseScamper("", "198.51.100.10")
	assert.Error(t, err)
	assert.Equal(t, "*1420", scamperReading{mtu: 1420, inferred: true}.against(1420))
	assert.Equal(t, "1360 DISAGREES", scamperReading{mtu: 1360}.against(1420))
}
