package udppath_test

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab/labtest"
	"pathmtu/plpmtud/udppath"
	"pathmtu/plpmtud/udpsock"
)

const (
	soon  = 10 * time.Second       // for what must come
	never = 100 * time.Millisecond // for what must not
)

// loopbacks are the ways to talk to a peer on this host.
var loopbacks = []struct {
	network  string // of the socket
	ip       string // of the peer
	overhead int
}{
	{"udp4", "127.0.0.1", 28},
	{"udp6", "::1", 48},
	{"udp", "127.0.0.1", 28}, // dual-stack
	{"udp", "::1", 48},
}

func listen(t *testing.T, network, at string) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	u, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	require.NoError(t, err)
	t.Cleanup(func() { u.Close() })
	return u, u.LocalAddr().(*net.UDPAddr).AddrPort()
}

// socket opens an unconnected one, bound to no address.
func socket(t *testing.T, network string) *net.UDPConn {
	t.Helper()
	u, err := net.ListenUDP(network, nil)
	require.NoError(t, err)
	t.Cleanup(func() { u.Close() })
	return u
}

func open(t *testing.T, network string, peer netip.AddrPort, cfg udppath.Config) *udppath.Conn {
	t.Helper()
	c, err := udppath.New(socket(t, network), peer, cfg)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// at is an address of this host, with a port that the system chooses.
func at(ip string) string { return net.JoinHostPort(ip, "0") }

func TestDatagramsGoBothWays(t *testing.T) {
	for _, l := range loopbacks {
		t.Run(l.network+" to "+l.ip, func(t *testing.T) {
			srv, peer := listen(t, "udp", at(l.ip))
			c := open(t, l.network, peer, udppath.Config{})
			assert.Equal(t, peer, c.Peer())
			assert.Equal(t, peer.String(), c.RemoteAddr().String())
			assert.Equal(t, l.overhead, c.Overhead())
			most, err := c.Max()
			require.NoError(t, err)
			assert.Equal(t, 65535-l.overhead, most, "the loopback carries what IP does")
			assert.Equal(t, 999, c.MaxBelow(1000))
			assert.Equal(t, most, c.MaxBelow(1<<17))

			n, err := c.Write([]byte("over"))
			require.NoError(t, err)
			assert.Equal(t, 4, n)
			b := make([]byte, 100)
			n, from, err := srv.ReadFromUDPAddrPort(b)
			require.NoError(t, err)
			assert.Equal(t, "over", string(b[:n]))
			_, err = srv.WriteToUDPAddrPort([]byte("and back"), from)
			require.NoError(t, err)
			require.NoError(t, c.SetReadDeadline(time.Now().Add(soon)))
			n, addr, err := c.ReadFrom(b)
			require.NoError(t, err)
			assert.Equal(t, "and back", string(b[:n]))
			assert.Equal(t, peer.String(), addr.String())
		})
	}
}

// A Conn has one peer: what goes elsewhere is refused, what comes from elsewhere
// is dropped.
func TestOnlyThePeer(t *testing.T) {
	srv, peer := listen(t, "udp", at("127.0.0.1"))
	other, elsewhere := listen(t, "udp", at("127.0.0.1"))
	c := open(t, "udp", peer, udppath.Config{})
	for _, to := range []net.Addr{
		net.UDPAddrFromAddrPort(elsewhere), nil, (*net.UDPAddr)(nil), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(peer.Port())},
		&net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: int(peer.Port())},
	} {
		_, err := c.WriteTo([]byte("astray"), to)
		assert.ErrorContains(t, err, fmt.Sprintf("the peer is %v", peer))
	}
	require.NoError(t, other.SetReadDeadline(time.Now().Add(never)))
	_, _, err := other.ReadFromUDPAddrPort(make([]byte, 100))
	require.Error(t, err, "nothing was sent")
	_, err = c.WriteTo([]byte("to the peer"), &net.UDPAddr{IP: net.ParseIP("::ffff:127.0.0.1"), Port: int(peer.Port())})
	require.NoError(t, err)
	b := make([]byte, 100)
	n, me, err := srv.ReadFromUDPAddrPort(b)
	require.NoError(t, err)
	assert.Equal(t, "to the peer", string(b[:n]))

	_, err = other.WriteToUDPAddrPort([]byte("stranger"), me)
	require.NoError(t, err)
	_, err = srv.WriteToUDPAddrPort([]byte("peer"), me)
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(soon)))
	n, err = c.Read(b)
	require.NoError(t, err)
	assert.Equal(t, "peer", string(b[:n]))
	assert.EqualValues(t, 1, c.Stats().Strangers)
}

// While New fails, the socket is the caller's.
func TestNewRefuses(t *testing.T) {
	_, peer := listen(t, "udp", at("127.0.0.1"))
	connected, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(peer))
	require.NoError(t, err)
	defer connected.Close()
	for want, try := range map[string]struct {
		u    *net.UDPConn
		peer netip.AddrPort
		cfg  udppath.Config
	}{
		"is connected to":          {connected, peer, udppath.Config{}},
		"peer is invalid AddrPort": {socket(t, "udp"), netip.AddrPort{}, udppath.Config{}},
		"peer is 127.0.0.1:0":      {socket(t, "udp"), netip.AddrPortFrom(peer.Addr(), 0), udppath.Config{}},
		"peer is [::]:9":           {socket(t, "udp"), netip.MustParseAddrPort("[::]:9"), udppath.Config{}},
		"Config.Remember is -1":    {socket(t, "udp"), peer, udppath.Config{Remember: -1}},
		"IPv6 none":                {socket(t, "udp4"), netip.MustParseAddrPort("[::1]:9"), udppath.Config{}},
	} {
		_, err := udppath.New(try.u, try.peer, try.cfg)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "%!")
		assert.NoError(t, try.u.SetDeadline(time.Time{}), "still open: %s", want)
	}
}

func TestCloseEndsAReadAndClosesTheSocket(t *testing.T) {
	_, peer := listen(t, "udp", at("127.0.0.1"))
	u := socket(t, "udp")
	c, err := udppath.New(u, peer, udppath.Config{})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, _, err := c.ReadFrom(make([]byte, 100))
		ended <- err
	}()
	require.NoError(t, c.Close())
	select {
	case err := <-ended:
		assert.ErrorIs(t, err, net.ErrClosed)
	case <-time.After(soon):
		require.Fail(t, "the read goes on")
	}
	_, err = c.Write([]byte("late"))
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.ErrorIs(t, u.SetDeadline(time.Time{}), net.ErrClosed)
	if runtime.GOOS == "linux" {
		_, err = c.Hints()
		assert.ErrorIs(t, err, net.ErrClosed)
	}
}

// What no interface carries is refused, and said to be too long.
func TestTooLong(t *testing.T) {
	_, peer := listen(t, "udp", at("127.0.0.1"))
	c := open(t, "udp", peer, udppath.Config{})
	b := make([]byte, 65508)
	_, err := c.Write(b)
	require.Error(t, err)
	assert.True(t, udpsock.IsMessageTooLong(err), "%v", err)
	assert.Equal(t, 65507, c.MaxBelow(len(b)))
	_, err = c.Write(b[:c.MaxBelow(len(b))])
	assert.NoError(t, err)
}

// That a port is closed ends no read: the peer may be about to listen.
func TestUnreachablePortEndsNoRead(t *testing.T) {
	for _, l := range loopbacks {
		t.Run(l.network+" to "+l.ip, func(t *testing.T) {
			gone, peer := listen(t, "udp", at(l.ip))
			require.NoError(t, gone.Close())
			c := open(t, l.network, peer, udppath.Config{})
			labtest.Need(t, c.Stats().ICMP, "a system with an error queue")
			_, err := c.Write([]byte("is somebody there?"))
			require.NoError(t, err)
			require.NoError(t, c.SetReadDeadline(time.Now().Add(never)))
			_, _, err = c.ReadFrom(make([]byte, 100))
			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			assert.True(t, timeout.Timeout(), "%v", err)
			s := c.Stats()
			assert.EqualValues(t, 1, s.Pending)
			assert.EqualValues(t, 1, s.ErrorQueue.Accepted)
			hints, err := c.Hints()
			require.NoError(t, err)
			assert.Empty(t, hints, "it says nothing about size")
		})
	}
}
