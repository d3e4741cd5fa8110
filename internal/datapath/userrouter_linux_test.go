package datapath

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var minPMTU9000 = []byte{0, 0, 0x30, 4, 0x23, 0x28, 0, 1}

// Kernel hosts on both sides, our router between them.
func TestRouterBetweenKernelHosts(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			lab := buildLab(t, 1500, 1400)
			u := runRouter(t, lab.Node("r1"), UserRouterConfig{Ports: portSpecs(m.kind), KernelRoutes: true, FastPath: m.fast})
			pair := newUDPPair(t, lab, "cli", "srv")
			back := newUDPPairAt(t, lab, "srv", "cli", 7778)

			require.NoError(t, pair.send(100, nil))
			r, ok := pair.receive(soon)
			require.True(t, ok, "a plain packet arrives")
			assert.Equal(t, 100, r.n)
			assert.Equal(t, 63, r.hopLimit, "hop limit lowered by one")

			require.NoError(t, back.send(100, nil))
			_, ok = back.receive(soon)
			require.True(t, ok, "and the other way")

			// R3, R4: lowered to the MTU of the outgoing link; R6: the rest stays.
			require.NoError(t, pair.send(100, minPMTU9000))
			r, ok = pair.receive(soon)
			require.True(t, ok)
			require.Len(t, r.hbh, 8)
			assert.Equal(t, []byte{0x30, 4, 1400 >> 8, 1400 & 0xff, 0, 1}, r.hbh[2:])

			require.NoError(t, back.send(100, []byte{0, 0, 0x30, 4, 0x05, 0x00, 0x12, 0x35}))
			r, ok = back.receive(soon)
			require.True(t, ok)
			assert.Equal(t, []byte{0x30, 4, 0x05, 0x00, 0x12, 0x35}, r.hbh[2:], "already smaller: kept")

			// The largest packet passes, one byte more is answered.
			require.NoError(t, pair.send(1400-48, nil))
			r, ok = pair.receive(soon)
			require.True(t, ok, "1400 bytes fit")
			assert.Equal(t, 1352, r.n)
			require.NoError(t, pair.send(1401-48, nil))
			typ, code, info, from, ok := pair.icmp(soon)
			require.True(t, ok, "the kernel's socket accepts our Packet Too Big")
			assert.Equal(t, []int{2, 0, 1400}, []int{typ, code, info})
			assert.Equal(t, "2001:db8:1::2", from.String(), "from the address of the interface that it came in on")
			_, ok = pair.receive(never)
			assert.False(t, ok)

			s, ok := u.Stats()
			require.True(t, ok)
			assert.EqualValues(t, 1, s.Router.ICMPSent[2])
			assert.Zero(t, s.Forwarding.TxDropped)
		})
	}
}
