package datapath

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A sender on the same machine leaves checksums to its veth: AF_PACKET ports
// finish them.
func TestChecksumOffloadOfTheSender(t *testing.T) {
	lab := buildLab(t, 1500, 1500)
	_, errOut, err := lab.Node("cli").Run(t.Context(), "ethtool", "-K", "to-r1", "tx", "on")
	require.NoError(t, err, "%s", errOut)
	u := runRouter(t, lab.Node("r1"), UserRouterConfig{Ports: portSpecs(KindAFPacket), KernelRoutes: true})
	pair := newUDPPair(t, lab, "cli", "srv")
	for _, n := range []int{0, 1, 99, 1452} {
		require.NoError(t, pair.send(n, nil))
		r, ok := pair.receive(soon)
		require.True(t, ok, "%d bytes: srv accepts the checksum", n)
		assert.Equal(t, n, r.n)
	}
	s, _ := u.Stats()
	assert.EqualValues(t, 4, s.Ports["to-cli"].Checksums)
}

// Unsegmented frames are counted and dropped, TCP goes on with what it resends.
func TestSegmentationOffloadOfTheSender(t *testing.T) {
	lab := buildLab(t, 1500, 1500)
	_, errOut, err := lab.Node("cli").Run(t.Context(), "ethtool", "-K", "to-r1", "tx", "on", "sg", "on", "tso", "on", "gso", "on")
	require.NoError(t, err, "%s", errOut)
	u := runRouter(t, lab.Node("r1"), UserRouterConfig{Ports: portSpecs(KindAFPacket), KernelRoutes: true})
	dst, _ := lab.Addr("srv", 6)
	var l net.Listener
	require.NoError(t, lab.Node("srv").Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(dst, 9999).String())
		return err
	}))
	defer l.Close()
	var c net.Conn
	require.NoError(t, lab.Node("cli").Do(func() (err error) {
		c, err = net.DialTimeout("tcp", l.Addr().String(), soon)
		return err
	}))
	defer c.Close()
	_ = c.SetWriteDeadline(time.Now().Add(soon))
	_, err = c.Write(make([]byte, 60_000))
	require.NoError(t, err)
	eventually(t, "unsegmented frames are counted", func() bool {
		s, _ := u.Stats()
		return s.Ports["to-cli"].GSO > 0
	})
}
