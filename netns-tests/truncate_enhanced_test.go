//go:build linux

package netnstests

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/plpmtud"
	"pathmtu/truncate"
)

// Revision T0, end to end: one small datagram padded to the first hop's MTU is
// cut by a router, tells the path MTU by the destination's Packet Too Big, and
// is delivered all the same (S11, Q4, X7).
func TestTruncateEnhanced(t *testing.T) {
	t.Parallel()
	for _, hop := range []string{hopAFPacket, hopAFXDP} {
		t.Run(hop, func(t *testing.T) {
			t.Parallel()
			ch := newSignalChain(t, []int{9000, 9000, 1500}, []string{hopKernel, hop}, cutting+"revision = \"T0\"\n")
			ch.hostUp("--truncate", "T0")
			mute(t, ch.lab.Node("r1"), "2001:db8:2::2")
			src := newCutSource(t, ch.lab.Node("cli"), "to-r1", netip.AddrPortFrom(ch.cli, 5000), ch.hostPort(), ch.mtus[0], patiently)
			src.src.Revision = truncate.T0

			const small = 300
			send := func(size int) {
				src.token++
				src.sent[src.token] = 0
				p, why := src.src.AppendEnhanced(nil, src.unmarked(small), size, ch.mtus[0])
				require.Equal(t, truncate.Marked, why)
				require.Len(t, p, size)
				src.echoed = 0
				src.send(p)
			}
			send(ch.mtus[0])
			src.until("data and notice", func() bool { return src.echoed != 0 && len(src.hints) > 0 })
			assert.Equal(t, small, src.echoed, "what was padded on is gone again")
			assert.Equal(t, []plpmtud.Hint{{Source: plpmtud.Truncated, MTU: 1500}}, src.hints)

			// What fits is delivered, and nothing is said.
			before := src.notices
			send(1500)
			src.until("data", func() bool { return src.echoed != 0 })
			assert.Equal(t, small, src.echoed)
			assert.Equal(t, before, src.notices)
		})
	}
}

// A destination of revision T1 does not know the option, whose action bits ask
// for a Parameter Problem: nothing is delivered.
func TestTruncateEnhancedUnknown(t *testing.T) {
	t.Parallel()
	ch := newSignalChain(t, []int{1500, 1500}, []string{hopKernel}, "")
	ch.hostUp()
	src := newCutSource(t, ch.lab.Node("cli"), "to-r1", netip.AddrPortFrom(ch.cli, 5000), ch.hostPort(), 1500, patiently)
	src.src.Revision = truncate.T0
	src.token++
	src.sent[src.token] = 0
	p, why := src.src.AppendEnhanced(nil, src.unmarked(300), 1500, 1500)
	require.Equal(t, truncate.Marked, why)
	src.send(p)
	problem := src.w.await(t, "Parameter Problem", func(q tapped) bool {
		u := upperOf(q.Packet)
		return !q.out && u.Proto == ip6.ProtoICMPv6 && q.Packet[u.Off] == ip6.TypeParameterProblem
	})
	u := upperOf(problem.Packet)
	assert.EqualValues(t, ip6.CodeUnrecognizedOption, problem.Packet[u.Off+1])
	for _, q := range src.w.packets() {
		assert.False(t, !q.out && upperOf(q.Packet).Proto == ip6.ProtoUDP, "delivered")
	}
}
