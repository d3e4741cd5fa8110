//go:build linux

package netnstests

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Behind our router and towards our host, everything is answered: the option
// (at the echo port) and truncation.
func TestTraceTowardsOurHost(t *testing.T) {
	t.Parallel()
	lab := plain(t, 1500, 1400)
	serve(t, lab.Node("r1"), ": forwarding", "router", "--truncate", "--port", "to-cli", "--port", "to-srv", "--datapath", "afpacket")
	serve(t, lab.Node("srv"), "answering", "host", "--datapath", "afpacket", "--port", "to-r1", "--address", "2001:db8:2::99", "--gateway", "2001:db8:2::1")
	require.True(t, pings(t, lab.Node("cli"), "2001:db8:2::99", "1352"))
	for _, c := range []struct{ port, fate string }{{"33434", "lowered"}, {"7", "answered"}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out, errOut, err := lab.Node("cli").Run(ctx, program, "trace", "--json", "--port", c.port, "2001:db8:2::99")
		cancel()
		require.NoError(t, err, "%s%s", out, errOut)
		var r traced
		require.NoError(t, json.Unmarshal(out, &r), "%s", out)
		require.NotNil(t, r.PMTU, "%s", out)
		assert.Equal(t, 1400, *r.PMTU, "port %s", c.port)
		require.NotNil(t, r.Bottleneck)
		assert.Equal(t, 1, r.Bottleneck.Hop)
		require.NotNil(t, r.HBH)
		assert.True(t, r.HBH.Survived)
		assert.Equal(t, 1400, r.HBH.MinPMTU)
		assert.Equal(t, c.fate, r.fate("hbh-min-pmtu"), "%s", out)
		assert.Equal(t, r.Trace.Hops[0].Addr, r.HBH.RewrittenAt, "%s", out)
		require.NotNil(t, r.Truncation, "%s", out)
		assert.True(t, r.Truncation.Survived)
		assert.Equal(t, 1400, r.Truncation.MTU, "the rest of a truncated packet arrived: %s", out)
	}
}
