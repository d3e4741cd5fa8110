//go:build linux

package netnstests

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/results"
)

// firewall lets srv answer nothing but neighbour discovery and one UDP port.
func firewall(t *testing.T, lab *netlab.Lab, port string) {
	t.Helper()
	rules := `
table inet firewall {
	chain input {
		type filter hook input priority 0; policy drop;
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
		udp dport ` + port + ` accept
		counter
	}
}
`
	nft := netlab.Command(t.Context(), "nft", "-f", "-")
	nft.Stdin = strings.NewReader(rules)
	var said strings.Builder
	nft.Stderr = &said
	require.NoError(t, lab.Node("srv").Start(nft))
	require.NoError(t, nft.Wait(), said.String())
}

// TestAutoBehindFirewall: of a host that filters ICMP and every port but that of
// one real server, the method which that server answers is found without being
// named, and the size is exact.
func TestAutoBehindFirewall(t *testing.T) {
	const truth = 1413
	chosen := map[string]bool{}
	for _, s := range servers {
		if chosen[s.method] {
			continue
		}
		chosen[s.method] = true
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(1500, truth, filtered))
			s.start(t, lab)
			firewall(t, lab, s.port)
			for family, least := range map[int]int{4: 28, 6: 48} {
				rec, what := autoProbe(t, lab, family)
				if assert.NotNil(t, rec.PMTU, what) {
					assert.Equal(t, truth-(truth-least)%s.step, *rec.PMTU, what)
				}
				assert.Equal(t, results.OKSilent, rec.Verdict, what)
				assert.Equal(t, results.Forward, rec.Direction)
				assert.Equal(t, map[string]results.Verdict{
					"icmp": results.Unresponsive, "udp": results.Unresponsive, "tcp": results.Unresponsive,
					"quic": results.Unresponsive, "dns": results.Unresponsive, "stun": results.Unresponsive, "ntp": results.Unresponsive,
					s.method: results.OKSilent,
				}, verdicts(rec), what)
			}
		})
	}
	for _, s := range limitedServers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(1500, 1500, delivered))
			s.start(t, lab)
			firewall(t, lab, s.port)
			rec, what := autoProbe(t, lab, 4)
			require.NotNil(t, rec.PMTU, what)
			assert.Equal(t, s.payload+28, *rec.PMTU, what)
			assert.LessOrEqual(t, rec.Confidence, 0.5, "it may be the server's limit: %s", what)
		})
	}
}

func autoProbe(t *testing.T, lab *netlab.Lab, family int) (*results.Record, string) {
	t.Helper()
	srv, _ := lab.Addr("srv", family)
	return recordOf(t, lab, srv.String())
}

// verdicts of a record's methods, by their names.
func verdicts(r *results.Record) map[string]results.Verdict {
	out := map[string]results.Verdict{}
	for _, m := range r.Methods {
		out[m.Method] = m.Verdict
	}
	return out
}

// TestAutoTakesServerLimitApart: beside a server with a limit of its own, which
// is all that measures the way there, echo tells that the path carries more.
func TestAutoTakesServerLimitApart(t *testing.T) {
	s := limitedServers[0]
	lab := build(t, netlab.Path(1500, 1500, delivered))
	s.start(t, lab)
	firewall(t, lab, s.port)
	_, _, err := lab.Node("srv").Run(t.Context(), "nft", "insert", "rule", "inet", "firewall", "input", "icmp", "type", "echo-request", "accept")
	require.NoError(t, err)
	rec, what := autoProbe(t, lab, 4)
	require.NotNil(t, rec.PMTU, what)
	assert.Equal(t, 1500, *rec.PMTU, what)
	assert.Equal(t, results.OK, rec.Verdict, what)
	assert.Equal(t, results.ResponderLimit, verdicts(rec)[s.method], what)
	assert.Equal(t, results.OK, verdicts(rec)["icmp"], what)
	require.NotEmpty(t, rec.Evidence)
	assert.Contains(t, strings.Join(rec.Evidence, "\n"), "the limit of 1260 bytes is that of the host's dns server")
}
