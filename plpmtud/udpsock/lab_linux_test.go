package udpsock_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/plpmtud/udpsock"
)

const (
	soon  = 5 * time.Second        // for what must come
	never = 100 * time.Millisecond // for what must not
)

// build stands a topology up for one test.
func build(t *testing.T, topology netlab.Topology) *netlab.Lab {
	t.Helper()
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN for network namespaces")
	lab, err := netlab.Build(t.Context(), topology)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })
	return lab
}

// addr returns an address of a node.
func addr(t *testing.T, lab *netlab.Lab, node string, f udpsock.Family) netip.Addr {
	t.Helper()
	a, ok := lab.Addr(node, int(f))
	require.True(t, ok)
	return a
}

// listen opens a UDP socket in a node: network is udp, udp4 or udp6.
func listen(t *testing.T, lab *netlab.Lab, node, network string, port uint16) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := lab.Node(node).Do(func() (err error) {
		c, err = net.ListenUDP(network, &net.UDPAddr{Port: int(port)})
		return err
	})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// dial opens a connected UDP socket in a node.
func dial(t *testing.T, lab *netlab.Lab, node string, dst netip.AddrPort) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := lab.Node(node).Do(func() (err error) {
		c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(dst))
		return err
	})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// socketKind is a way to send UDP of one family.
type socketKind struct {
	network   string
	family    udpsock.Family
	connected bool
}

func (k socketKind) String() string {
	s := fmt.Sprintf("%s-to-%v", k.network, k.family)
	if k.connected {
		s = fmt.Sprintf("connected-%v", k.family)
	}
	return s
}

var socketKinds = []socketKind{
	{"udp4", udpsock.IPv4, false},
	{"udp6", udpsock.IPv6, false},
	{"udp", udpsock.IPv4, false}, // dual-stack
	{"udp", udpsock.IPv6, false},
	{"", udpsock.IPv4, true},
	{"", udpsock.IPv6, true},
}

// client is a socket of the node "cli" that is set up as the package says.
type client struct {
	t      *testing.T
	conn   *net.UDPConn
	sendTo netip.AddrPort // the zero AddrPort if connected
	dst    netip.AddrPort
	family udpsock.Family
	df     udpsock.DF
	sender *udpsock.Sender
	ring   *udpsock.Ring
	queue  *udpsock.ErrorQueue
	nextID uint64
}

func newClient(t *testing.T, lab *netlab.Lab, k socketKind, port uint16, cfg udpsock.QueueConfig) *client {
	t.Helper()
	c := &client{t: t, family: k.family, ring: udpsock.NewRing(16)}
	c.dst = netip.AddrPortFrom(addr(t, lab, "srv", k.family), port)
	if k.connected {
		c.conn = dial(t, lab, "cli", c.dst)
	} else {
		c.conn, c.sendTo = listen(t, lab, "cli", k.network, 0), c.dst
	}
	var err error
	c.df, err = udpsock.SetDF(c.conn)
	require.NoError(t, err)
	if cfg.Match == nil {
		cfg.Match = c.ring.Match
	}
	c.queue, err = udpsock.NewErrorQueue(c.conn, cfg)
	require.NoError(t, err)
	c.sender = udpsock.NewSender(c.conn)
	return c
}

// send sends a datagram that makes an IP packet of the given size, and returns
// its id.
func (c *client) send(size int) (uint64, error) {
	c.nextID++
	payload := make([]byte, size-c.family.Overhead())
	copy(payload, fmt.Sprintf("datagram %d", c.nextID))
	c.ring.Add(time.Now(), udpsock.Sent{ID: c.nextID, Dst: c.dst, Size: size}, payload)
	return c.nextID, c.sender.SendAlone(payload, c.sendTo)
}

// notice waits for one notice.
func (c *client) notice() udpsock.Notice {
	c.t.Helper()
	var got []udpsock.Notice
	require.Eventually(c.t, func() bool {
		require.NoError(c.t, c.queue.Read(time.Now(), func(n udpsock.Notice) { got = append(got, n) }))
		return len(got) > 0
	}, soon, time.Millisecond, "no notice; stats %+v", c.queue.Stats())
	require.Len(c.t, got, 1)
	return got[0]
}

// received returns the size of the next IP packet that a socket gets, 0 if none
// comes.
func received(t *testing.T, c *net.UDPConn, f udpsock.Family, wait time.Duration) int {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(wait)))
	b := make([]byte, 65535)
	for {
		n, err := c.Read(b)
		switch {
		case err == nil:
			return n + f.Overhead()
		case os.IsTimeout(err):
			return 0
		}
		require.True(t, udpsock.IsPending(err), "%v", err)
	}
}
