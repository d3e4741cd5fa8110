//go:build linux

package netnstests

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/plpmtud/udpopt"
	"pathmtu/plpmtud/udpopt/udpoptsock"
	"pathmtu/results"
)

// probeHost probes a host from the client of a lab by one method.
func probeHost(t *testing.T, lab *netlab.Lab, method string, host netip.Addr, more ...string) *results.Record {
	t.Helper()
	rec, _ := recordOf(t, lab, append(append([]string{"--method", method}, more...), host.String())...)
	return rec
}

// recordOf runs "pmtu probe" on the client of a lab, and returns its record and what
// it printed.
func recordOf(t *testing.T, lab *netlab.Lab, args ...string) (*results.Record, string) {
	t.Helper()
	o := run(t, lab.Node("cli"), nil, append([]string{"probe", "--json"}, args...)...)
	rec, err := results.NewReader(strings.NewReader(o.stdout)).Read()
	require.NoError(t, err, "%s%s", o.stdout, o.stderr)
	return rec, o.stdout
}

// The methods that use options find the exact size by a host that answers these,
// across routers that take part, that don't, and that say nothing at all.
func TestProbeBySignals(t *testing.T) {
	for _, c := range []struct {
		mtus []int
		hops []string
		conf string
		ptb  netlab.PTB
		hint int // Min-PMTU that hbh learns
		cut  int // length that arrives of a truncated packet; 0: none is cut
	}{
		{[]int{9000, 1500, 1500}, []string{hopAFPacket, hopKernel}, cutting, delivered, 1500, 1500},
		{[]int{9000, 9000, 1413}, []string{hopKernel, hopAFPacket}, cutting, filtered, 1412, 1413},
		{[]int{1500, 1280, 1500}, []string{hopAFPacket, hopKernel}, cutting + "packet-too-big = false\n", filtered, 1280, 1280},
		{[]int{9000, 1420, 9000}, []string{hopKernel, hopKernel}, "", filtered, 9000, 0},
		{[]int{9000, 1420, 9000}, []string{hopKernel, hopKernel}, "", delivered, 9000, 0},
		{[]int{1500, 1500}, []string{hopAFPacket}, cutting, delivered, 1500, 0},
	} {
		t.Run(fmt.Sprintf("%v %v %v", c.mtus, c.hops, c.ptb.Mode), func(t *testing.T) {
			t.Parallel()
			ch := newSignalChain(t, c.mtus, c.hops, c.conf, ptbs(c.ptb))
			ch.hostUp()
			for _, method := range []string{"udpopt", "hbh", "truncate"} {
				rec := probeHost(t, ch.lab, method, ch.host)
				require.NotNil(t, rec.PMTU, "%s: %s %q", method, rec.Error, rec.Evidence)
				assert.Equal(t, ch.truth(), *rec.PMTU, "%s: %q", method, rec.Evidence)
				t.Logf("%s: %s, %d packets: %q", method, rec.Verdict, rec.Methods[0].ProbesSent, rec.Evidence)
				switch method {
				case "udpopt":
					assert.Equal(t, results.Forward, rec.Direction)
				case "hbh":
					require.NotNil(t, rec.HBH)
					assert.Equal(t, results.HBH{Sent: true, Survived: true, MinPMTU: c.hint}, *rec.HBH)
				case "truncate":
					require.NotNil(t, rec.Truncation)
					assert.Equal(t, results.Truncation{Sent: true, Survived: true, MTU: c.cut}, *rec.Truncation)
					if c.cut != 0 {
						assert.Equal(t, results.OK, rec.Verdict, "that a packet was cut is no silence: %q", rec.Evidence)
					}
				}
			}
		})
	}
}

// A kernel that knows neither option answers echo requests that carry them, so that
// hbh and truncate find the size without a hint; where a router drops Hop-by-Hop
// headers, hbh says that nothing answers, and no wrong size.
func TestProbeBySignalsOfAKernel(t *testing.T) {
	ch := newSignalChain(t, []int{9000, 1492, 9000}, []string{hopKernel, hopKernel}, "", ptbs(filtered))
	srv, _ := ch.lab.Addr("srv", 6)
	for _, method := range []string{"hbh", "truncate"} {
		rec := probeHost(t, ch.lab, method, srv)
		require.NotNil(t, rec.PMTU, "%s: %s", method, rec.Error)
		assert.Equal(t, 1492, *rec.PMTU, "%s: %q", method, rec.Evidence)
		assert.Equal(t, results.OKSilent, rec.Verdict)
	}
	t.Run("cut", func(t *testing.T) {
		ch := newSignalChain(t, []int{9000, 9000, 1492}, []string{hopKernel, hopAFPacket}, cutting+"packet-too-big = false\n")
		srv, _ := ch.lab.Addr("srv", 6)
		rec := probeHost(t, ch.lab, "truncate", srv)
		require.NotNil(t, rec.PMTU, "%s %q", rec.Error, rec.Evidence)
		assert.Equal(t, 1492, *rec.PMTU, "%q", rec.Evidence)
		require.NotNil(t, rec.Truncation)
		assert.Equal(t, 1492, rec.Truncation.MTU, "by the kernel's Parameter Problem: %q", rec.Evidence)
	})
	t.Run("dropped", func(t *testing.T) {
		ch := newSignalChain(t, []int{1500, 1500}, []string{hopDrop}, "")
		srv, _ := ch.lab.Addr("srv", 6)
		rec := probeHost(t, ch.lab, "hbh", srv, "--timeout", "200ms")
		assert.Nil(t, rec.PMTU)
		assert.Equal(t, results.Unresponsive, rec.Verdict)
		assert.Equal(t, results.HBH{Sent: true}, *rec.HBH)
	})
}

// udpopt finds the exact size in both families by a socket that knows UDP Options.
func TestProbeByUDPOptions(t *testing.T) {
	for _, c := range []struct {
		edge, truth int
		ptb         netlab.PTB
	}{{1500, 1413, delivered}, {1500, 1413, filtered}, {9000, 1500, filtered}, {1500, 1500, delivered}} {
		path := netlab.Path(c.edge, c.truth, c.ptb)
		t.Run(path.Name, func(t *testing.T) {
			t.Parallel()
			lab := build(t, path)
			for _, family := range []int{4, 6} {
				srv, _ := lab.Addr("srv", family)
				answerOptions(t, lab.Node("srv"), netip.AddrPortFrom(srv, 4242))
				rec := probeHost(t, lab, "udpopt", srv, "--port", "4242", "--attribution", "https://example.net/probing")
				require.NotNil(t, rec.PMTU, "IPv%d: %s %q", family, rec.Error, rec.Evidence)
				assert.Equal(t, c.truth, *rec.PMTU, "IPv%d: %q", family, rec.Evidence)
				assert.Equal(t, results.Forward, rec.Direction)
				if c.edge != c.truth && c.ptb == delivered {
					require.NotNil(t, rec.Bottleneck, "%q", rec.Evidence)
					assert.NotEmpty(t, rec.Bottleneck.Addr)
				}
			}
		})
	}
}

// answerOptions opens a socket in a node that answers probes in UDP Options.
func answerOptions(t *testing.T, node *netlab.LiveNode, at netip.AddrPort) {
	t.Helper()
	var l *udpoptsock.Listener
	require.NoError(t, node.Do(func() (err error) {
		l, err = udpoptsock.Listen(udpoptsock.ListenConfig{Local: at, Respond: udpopt.ResponderConfig{Enabled: true, Interval: 10e6, Burst: 8}})
		return err
	}))
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	go func() {
		b := make([]byte, 2048)
		for {
			if _, _, err := l.ReadFrom(b); err != nil {
				assert.ErrorIs(t, err, net.ErrClosed)
				return
			}
		}
	}()
}
