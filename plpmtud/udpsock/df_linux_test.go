package udpsock_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/plpmtud/udpsock"
)

func TestSetDFIsReadBackForEveryFamilyOfTheSocket(t *testing.T) {
	for network, want := range map[string]udpsock.DF{
		"udp4": {IPv4: udpsock.DFConfirmed},
		"udp6": {IPv6: udpsock.DFConfirmed},
		"udp":  {IPv4: udpsock.DFConfirmed, IPv6: udpsock.DFConfirmed},
	} {
		t.Run(network, func(t *testing.T) {
			c, err := net.ListenUDP(network, nil)
			require.NoError(t, err)
			defer c.Close()
			before, err := udpsock.ReadDF(c)
			require.NoError(t, err)
			assert.NotContains(t, []udpsock.DFState{before.IPv4, before.IPv6}, udpsock.DFConfirmed, "not by itself")
			got, err := udpsock.SetDF(c)
			require.NoError(t, err)
			assert.Equal(t, want, got)
			again, err := udpsock.ReadDF(c)
			require.NoError(t, err)
			assert.Equal(t, want, again)
		})
	}
}

// D4.5: a mode in which the cached path MTU limits probes is not good enough.
func TestReadDFTellsAVetoFromNoDF(t *testing.T) {
	c, err := net.ListenUDP("udp", nil)
	require.NoError(t, err)
	defer c.Close()
	_, err = udpsock.SetDF(c)
	require.NoError(t, err)
	rc, err := c.SyscallConn()
	require.NoError(t, err)
	set := func(level, opt, value int) {
		require.NoError(t, rc.Control(func(fd uintptr) {
			require.NoError(t, unix.SetsockoptInt(int(fd), level, opt, value))
		}))
	}
	set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
	set(unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DONT)
	df, err := udpsock.ReadDF(c)
	require.NoError(t, err)
	assert.Equal(t, udpsock.DF{IPv4: udpsock.DFVetoed, IPv6: udpsock.DFOff}, df)
	assert.False(t, df.MayProbe(unmapped("::ffff:192.0.2.1")))
	assert.False(t, df.MayProbe(unmapped("2001:db8::1")))
}

func TestSetDFOnAClosedSocket(t *testing.T) {
	c, err := net.ListenUDP("udp", nil)
	require.NoError(t, err)
	c.Close()
	df, err := udpsock.SetDF(c)
	require.ErrorContains(t, err, "no access to the socket")
	assert.Equal(t, udpsock.DF{}, df)
}

// D3-2b, D3-2a, D4.5, U3.2-1, U3.2-2: on the wire, a datagram larger than the
// bottleneck is neither fragmented nor, after the kernel has learned the path
// MTU from a PTB, refused.
func TestOversizeDatagramsLeaveWholeAgainAndAgain(t *testing.T) {
	for _, k := range socketKinds {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(9000, 1420, netlab.PTB{}))
			srv := listen(t, lab, "srv", "udp", 7)
			c := newClient(t, lab, k, 7, udpsock.QueueConfig{})
			require.True(t, c.df.MayProbe(c.dst.Addr()))
			for _, size := range []int{1421, 9000, 1421} {
				id, err := c.send(size)
				require.NoError(t, err, "size %d", size)
				n := c.notice()
				assert.Equal(t, id, n.Sent.ID)
			}
			assert.Zero(t, received(t, srv, k.family, never), "a fragmented datagram would arrive")
			_, err := c.send(1420)
			require.NoError(t, err)
			assert.Equal(t, 1420, received(t, srv, k.family, soon))
		})
	}
}

// The counterpart: without SetDF the same datagram is fragmented and arrives,
// so the test above can fail.
func TestWithoutSetDFTheDatagramIsFragmented(t *testing.T) {
	lab := build(t, netlab.Path(9000, 1420, netlab.PTB{}))
	srv := listen(t, lab, "srv", "udp", 7)
	cli := listen(t, lab, "cli", "udp4", 0)
	rc, err := cli.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, rc.Control(func(fd uintptr) {
		require.NoError(t, unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT))
	}))
	dst := netipPort(addr(t, lab, "srv", udpsock.IPv4), 7)
	_, err = cli.WriteToUDPAddrPort(make([]byte, 1421-28), dst)
	require.NoError(t, err)
	assert.Equal(t, 1421, received(t, srv, udpsock.IPv4, soon))
}
