//go:build linux

package netnstests

import (
	"context"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/docs/examples/tunnel"
	"pathmtu/internal/netlab"
	"pathmtu/plpmtud/udpsock"
)

// The inner network of the tunnel.
var (
	innerCli = netip.MustParsePrefix("192.0.2.1/30")
	innerSrv = netip.MustParsePrefix("192.0.2.2/30")
)

// endpoint opens one end of a tunnel.
func (x *transfer) endpoint(node string, addr netip.Prefix, peer string, cfg tunnel.Config) *tunnel.Tunnel {
	x.t.Helper()
	a, ok := x.lab.Addr(peer, int(x.family))
	require.True(x.t, ok)
	var end *tunnel.Tunnel
	x.socket(node, func(u *net.UDPConn) error {
		dev, err := tunnel.OpenTUN("tun0", addr, 1500-x.family.Overhead())
		if err != nil {
			return err
		}
		cfg.Echo = embedFast
		end, err = tunnel.New(dev, u, netip.AddrPortFrom(a, 7000), cfg)
		return err
	})
	x.t.Cleanup(func() { end.Close() })
	return end
}

// tcp joins two nodes by a connection through the tunnel.
func (x *transfer) tcp() (cli, srv *net.TCPConn) {
	x.t.Helper()
	var listener *net.TCPListener
	at := net.TCPAddrFromAddrPort(netip.AddrPortFrom(innerSrv.Addr(), 80))
	require.NoError(x.t, x.lab.Node("srv").Do(func() (err error) {
		listener, err = net.ListenTCP("tcp4", at)
		return err
	}))
	defer listener.Close()
	require.NoError(x.t, x.lab.Node("cli").Do(func() (err error) {
		cli, err = net.DialTCP("tcp4", nil, at)
		return err
	}))
	srv, err := listener.AcceptTCP()
	require.NoError(x.t, err)
	x.t.Cleanup(func() { cli.Close(); srv.Close() })
	return cli, srv
}

// stream sends the test's stream by TCP.
func (x *transfer) stream(cli, srv *net.TCPConn) {
	x.both(
		func(context.Context) error { _, err := io.Copy(x.dst, srv); return err },
		func(context.Context) error {
			if _, err := io.Copy(cli, x.src); err != nil {
				return err
			}
			return cli.CloseWrite()
		},
	)
	x.t.Cleanup(func() { cli.Close(); srv.Close() })
}

// tunnel sends the stream through a tunnel, once both ends know the outer path.
func (x *transfer) tunnel(cfg tunnel.Config) (cli, srv *tunnel.Tunnel) {
	x.t.Helper()
	srv = x.endpoint("srv", innerSrv, "cli", cfg)
	cfg.OnMTU = x.plpmtu
	cli = x.endpoint("cli", innerCli, "srv", cfg)
	full := 1500 - x.family.Overhead()
	x.until("search", func(int) bool { return cli.MTU() == full && srv.MTU() == full })
	a, b := x.tcp()
	assert.Equal(x.t, full-40-12, mss(x.t, a), "segments fill the outer path; 12 bytes are timestamps")
	x.stream(a, b)
	return cli, srv
}

func startTunnel(x *transfer) {
	cli, _ := x.tunnel(tunnel.Config{})
	x.t.Cleanup(func() {
		assert.Positive(x.t, cli.Stats().Out)
		assert.Zero(x.t, cli.Stats().DeviceRefusals)
		x.t.Logf("%+v", cli.Stats())
	})
}

// startTunnelPTB leaves the device's MTU alone: what tells TCP of the path is
// nothing but inner Packet Too Big messages.
func startTunnelPTB(x *transfer) {
	cli, _ := x.tunnel(tunnel.Config{KeepMTU: true})
	x.t.Cleanup(func() {
		assert.Positive(x.t, cli.Stats().TooBig, "inner Packet Too Big messages")
		x.t.Logf("%+v", cli.Stats())
	})
}

// The MSS of a handshake is what fits into the outer path, whatever the
// device's MTU says, on both ends.
func TestTunnelClampsMSS(t *testing.T) {
	t.Parallel()
	x := &transfer{t: t, family: udpsock.IPv4, lab: build(t, netlab.Path(1500, 1400, netlab.PTB{}))}
	srv := x.endpoint("srv", innerSrv, "cli", tunnel.Config{KeepMTU: true})
	cli := x.endpoint("cli", innerCli, "srv", tunnel.Config{KeepMTU: true})
	require.Eventually(t, func() bool { return cli.MTU() == 1400-28 && srv.MTU() == 1400-28 }, embedSoon, 2*time.Millisecond)
	a, b := x.tcp()
	for _, c := range []*net.TCPConn{a, b} {
		assert.Equal(t, 1400-28-40-12, mss(t, c), "12 bytes are timestamps")
	}
	assert.Positive(t, cli.Stats().Clamped, "SYN")
	assert.GreaterOrEqual(t, srv.Stats().Clamped+cli.Stats().Clamped, uint64(2), "and the answer to it")
}

// mss is what a connection puts into a segment, in bytes.
func mss(t *testing.T, c syscall.Conn) int {
	t.Helper()
	raw, err := c.SyscallConn()
	require.NoError(t, err)
	var n int
	var inner error
	require.NoError(t, raw.Control(func(fd uintptr) {
		n, inner = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG)
	}))
	require.NoError(t, inner)
	return n
}
