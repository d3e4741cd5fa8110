package udpsock_test

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/plpmtud/udpsock"
)

// gather reads datagrams until want payload bytes arrived, or none comes.
func gather(t *testing.T, c *net.UDPConn, want int) (sizes []int, all []byte) {
	t.Helper()
	b := make([]byte, 65535)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(soon)))
	for len(all) < want {
		n, err := c.Read(b)
		if os.IsTimeout(err) {
			break
		}
		require.NoError(t, err)
		sizes = append(sizes, n)
		all = append(all, b[:n]...)
	}
	return sizes, all
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 / 3)
	}
	return b
}

func setInt(t *testing.T, c *net.UDPConn, level, opt, v int) {
	t.Helper()
	rc, err := c.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, rc.Control(func(fd uintptr) {
		require.NoError(t, unix.SetsockoptInt(int(fd), level, opt, v))
	}))
}

func TestBatch(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			srv, err := net.ListenUDP(network, &net.UDPAddr{IP: map[string]net.IP{"udp4": net.IPv4(127, 0, 0, 1), "udp6": net.IPv6loopback}[network]})
			require.NoError(t, err)
			defer srv.Close()
			dst := srv.LocalAddr().(*net.UDPAddr).AddrPort()
			c, err := net.ListenUDP(network, nil)
			require.NoError(t, err)
			defer c.Close()
			s := udpsock.NewSender(c)
			require.True(t, s.GSO(), "this kernel is new enough")

			data := pattern(1000*20 + 17)
			r, err := s.SendBatch(data, 1000, dst)
			require.NoError(t, err)
			assert.Equal(t, udpsock.BatchResult{Sent: 21}, r)
			sizes, all := gather(t, srv, len(data))
			assert.Len(t, sizes, 21)
			assert.Equal(t, 17, sizes[20])
			assert.True(t, bytes.Equal(data, all))

			// More segments than one send takes.
			data = pattern(100 * 150)
			r, err = s.SendBatch(data, 100, dst)
			require.NoError(t, err)
			assert.Equal(t, udpsock.BatchResult{Sent: 150}, r)
			sizes, all = gather(t, srv, len(data))
			assert.Len(t, sizes, 150)
			assert.True(t, bytes.Equal(data, all))
			assert.True(t, s.GSO())
		})
	}
}

// EINVAL from a send with offload says nothing about sizes: each datagram is
// sent again, alone. Here the reason is a socket without checksums.
func TestBatchThatTheKernelRefusesIsSentOneByOne(t *testing.T) {
	srv, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer srv.Close()
	dst := srv.LocalAddr().(*net.UDPAddr).AddrPort()
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(dst)) // connected
	require.NoError(t, err)
	defer c.Close()
	s := udpsock.NewSender(c)
	setInt(t, c, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
	data := pattern(5 * 500)
	r, err := s.SendBatch(data, 500, netip.AddrPort{})
	require.NoError(t, err)
	assert.Equal(t, udpsock.BatchResult{Sent: 5, Split: 1}, r)
	sizes, all := gather(t, srv, len(data))
	assert.Equal(t, []int{500, 500, 500, 500, 500}, sizes)
	assert.True(t, bytes.Equal(data, all))
	assert.True(t, s.GSO(), "one refusal is no reason to give offload up")
}

// One datagram that exceeds the interface takes only itself down; a probe goes
// out alone beside it, and its answer is certain.
func TestBatchBesideAnOversizeProbe(t *testing.T) {
	for _, f := range []udpsock.Family{udpsock.IPv4, udpsock.IPv6} {
		t.Run(f.String(), func(t *testing.T) {
			lab := build(t, netlab.Chain("gso", netlab.PTB{}, 1500))
			srv := listen(t, lab, "srv", "udp", 7)
			c := newClient(t, lab, socketKind{network: "udp", family: f}, 7, udpsock.QueueConfig{})
			require.True(t, c.sender.GSO())
			fits := 1500 - f.Overhead()

			data := pattern(4*fits + 10)
			r, err := c.sender.SendBatch(data, fits, c.dst)
			require.NoError(t, err)
			// Before Linux 6.11, offload needs a device that computes checksums.
			offload := c.sender.GSO()
			assert.Equal(t, udpsock.BatchResult{Sent: 5, Split: split(!offload)}, r)
			_, all := gather(t, srv, len(data))
			require.True(t, bytes.Equal(data, all))

			_, err = c.send(1501)
			require.Error(t, err)
			assert.True(t, udpsock.IsMessageTooLong(err), "%v", err)
			_, err = c.send(1500)
			require.NoError(t, err)
			assert.Equal(t, 1500, received(t, srv, f, soon))

			r, err = c.sender.SendBatch(pattern(3*(fits+1)+10), fits+1, c.dst)
			require.NoError(t, err)
			assert.Equal(t, udpsock.BatchResult{Sent: 1, TooLong: 3, Split: split(offload)}, r, "the short last one passes")
			assert.Equal(t, 10+f.Overhead(), received(t, srv, f, soon))
		})
	}
}

func split(once bool) int {
	if once {
		return 1
	}
	return 0
}

// An ICMP error that is pending must not cost a batch.
func TestBatchWhileAnErrorIsPending(t *testing.T) {
	for name, provoke := range map[string]func(*client) error{
		"too big": func(c *client) error {
			_, err := c.send(1421)
			return err
		},
		"refused": func(c *client) error {
			return c.sender.SendAlone(make([]byte, 100), netipPort(c.dst.Addr(), 9))
		},
	} {
		t.Run(name, func(t *testing.T) {
			lab := build(t, netlab.Path(9000, 1420, netlab.PTB{}))
			srv := listen(t, lab, "srv", "udp", 7)
			c := newClient(t, lab, socketKind{network: "udp", family: udpsock.IPv6}, 7, udpsock.QueueConfig{})
			require.NoError(t, provoke(c))
			waitPending(t, c.conn)
			data := pattern(10 * 1000)
			r, err := c.sender.SendBatch(data, 1000, c.dst)
			require.NoError(t, err)
			assert.Equal(t, udpsock.BatchResult{Sent: 10, Split: 1}, r)
			_, all := gather(t, srv, len(data))
			assert.True(t, bytes.Equal(data, all))
		})
	}
}

func TestBatchErrorsNameTheSegment(t *testing.T) {
	c, err := net.ListenUDP("udp4", nil)
	require.NoError(t, err)
	defer c.Close()
	for _, segment := range []int{-1, 0, 65508} {
		_, err = udpsock.NewSender(c).SendBatch([]byte{1}, segment, netipPort(unmapped("127.0.0.1"), 9))
		assert.ErrorContains(t, err, "segment is")
	}
}
