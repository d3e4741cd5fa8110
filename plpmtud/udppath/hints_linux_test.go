package udppath_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udppath"
)

// router sends ICMP messages over the loopback, as a router on the path would.
type router struct {
	t    *testing.T
	conn *net.IPConn
	me   netip.AddrPort // whom it tells
	peer netip.AddrPort
}

func newRouter(t *testing.T, c *udppath.Conn) *router {
	t.Helper()
	local := c.LocalAddr().(*net.UDPAddr).AddrPort()
	r := &router{t: t, peer: c.Peer(), me: netip.AddrPortFrom(c.Peer().Addr(), local.Port())}
	network := "ip4:icmp"
	if r.peer.Addr().Is6() {
		network = "ip6:ipv6-icmp"
	}
	conn, err := net.ListenIP(network, &net.IPAddr{IP: r.peer.Addr().AsSlice()})
	labtest.Need(t, err == nil, "CAP_NET_RAW, to send ICMP messages")
	t.Cleanup(func() { conn.Close() })
	r.conn = conn
	return r
}

// tooBig sends a PTB that quotes a datagram with this payload.
func (r *router) tooBig(mtu int, payload string) {
	r.t.Helper()
	udp := binary.BigEndian.AppendUint16(nil, r.me.Port())
	udp = binary.BigEndian.AppendUint16(udp, r.peer.Port())
	udp = append(binary.BigEndian.AppendUint16(udp, 1400), 0, 0)
	msg := []byte{3, 4, 0, 0, 0, 0, byte(mtu >> 8), byte(mtu)}
	ip := []byte{0x45, 0, 0x05, 0x8c, 0, 0, 0x40, 0, 64, 17, 0, 0}
	if r.peer.Addr().Is6() {
		msg = binary.BigEndian.AppendUint32([]byte{2, 0, 0, 0}, uint32(mtu))
		ip = []byte{0x60, 0, 0, 0, 0x05, 0x78, 17, 64}
	}
	for _, a := range []netip.Addr{r.me.Addr(), r.peer.Addr()} {
		ip = append(ip, a.AsSlice()...)
	}
	msg = append(append(append(msg, ip...), udp...), payload...)
	if r.peer.Addr().Is4() { // of ICMPv6, the kernel fills the checksum in
		sum := uint32(0)
		for i, b := range msg {
			sum += uint32(b) << (8 * (1 - i%2))
		}
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		binary.BigEndian.PutUint16(msg[2:], ^uint16(sum))
	}
	_, err := r.conn.WriteToIP(msg, &net.IPAddr{IP: r.me.Addr().AsSlice()})
	require.NoError(r.t, err)
}

// datagram is as large as the message says that is too big.
func datagram(begin string) []byte { return append([]byte(begin), make([]byte, 1350)...) }

// hints waits until so many messages have been examined.
func hints(t *testing.T, c *udppath.Conn, examined uint64) []plpmtud.Hint {
	t.Helper()
	var all []plpmtud.Hint
	require.Eventually(t, func() bool {
		h, err := c.Hints()
		require.NoError(t, err)
		all = append(all, h...)
		s := c.Stats().ErrorQueue
		return s.Accepted+s.Unmatched+s.ShortQuote+s.Limited >= examined
	}, soon, time.Millisecond)
	return all
}

// D4.6.1-2, D4.6.1-3, D4.6.1-4: a Packet Too Big about a datagram of this Conn
// becomes a hint, once; a forged one does not.
func TestPacketTooBigBecomesAHint(t *testing.T) {
	for _, l := range loopbacks {
		t.Run(l.network+" to "+l.ip, func(t *testing.T) {
			srv, peer := listen(t, "udp", at(l.ip))
			c := open(t, l.network, peer, udppath.Config{})
			r := newRouter(t, c)
			_, err := c.Write(datagram("number one"))
			require.NoError(t, err)

			r.tooBig(1300, "number two")
			assert.Empty(t, hints(t, c, 1), "quotes what was not sent")
			r.tooBig(1300, "number one")
			assert.Equal(t, []plpmtud.Hint{{Source: plpmtud.PacketTooBig, MTU: 1300}}, hints(t, c, 2))
			again, err := c.Hints()
			require.NoError(t, err)
			assert.Empty(t, again)

			// A read in between neither fails nor loses the hint.
			r.tooBig(1290, "number one")
			time.Sleep(never / 10)
			_, err = srv.WriteToUDPAddrPort([]byte("data"), r.me)
			require.NoError(t, err)
			require.NoError(t, c.SetReadDeadline(time.Now().Add(soon)))
			b := make([]byte, 100)
			n, err := c.Read(b)
			require.NoError(t, err)
			assert.Equal(t, "data", string(b[:n]))
			assert.EqualValues(t, 1, c.Stats().Pending)
			assert.Equal(t, []plpmtud.Hint{{Source: plpmtud.PacketTooBig, MTU: 1290}}, hints(t, c, 3))
		})
	}
}

// Many routers quote no payload: who wants to believe them has to say so.
func TestPortsOnly(t *testing.T) {
	for _, only := range []bool{false, true} {
		_, peer := listen(t, "udp", at("127.0.0.1"))
		c := open(t, "udp", peer, udppath.Config{PortsOnly: only})
		_, err := c.Write(datagram("number one"))
		require.NoError(t, err)
		newRouter(t, c).tooBig(1300, "")
		assert.Equal(t, only, len(hints(t, c, 1)) == 1)
	}
}

func TestRemember(t *testing.T) {
	_, peer := listen(t, "udp", at("127.0.0.1"))
	c := open(t, "udp", peer, udppath.Config{Remember: 2})
	r := newRouter(t, c)
	for _, begin := range []string{"number one", "number two", "number three"} {
		_, err := c.Write(datagram(begin))
		require.NoError(t, err)
	}
	r.tooBig(1300, "number one")
	assert.Empty(t, hints(t, c, 1), "forgotten")
	r.tooBig(1301, "number two")
	r.tooBig(1302, "number three")
	assert.Len(t, hints(t, c, 3), 2)
}

// Hints that nobody fetches take no memory beyond a bound; the newest count.
func TestHintsAreBounded(t *testing.T) {
	_, peer := listen(t, "udp", at("127.0.0.1"))
	c := open(t, "udp", peer, udppath.Config{})
	r := newRouter(t, c)
	_, err := c.Write(datagram("number one"))
	require.NoError(t, err)
	for i := range 12 {
		r.tooBig(1300-i, "number one")
	}
	require.NoError(t, c.SetReadDeadline(time.Now().Add(never)))
	_, err = c.Read(make([]byte, 100)) // notes them
	require.Error(t, err)
	all := hints(t, c, 12)
	require.Len(t, all, 8)
	assert.Equal(t, 1300-11, all[7].MTU)
}

// D3-2b, D3-5a: the interface bounds a datagram, and says so.
func TestFirstHop(t *testing.T) {
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN for network namespaces")
	lab, err := netlab.Build(t.Context(), netlab.Chain("short", netlab.PTB{}, 1400))
	require.NoError(t, err)
	defer func() { assert.NoError(t, lab.Close()) }()
	for _, family := range []int{4, 6} {
		srv, ok := lab.Addr("srv", family)
		require.True(t, ok)
		var c *udppath.Conn
		require.NoError(t, lab.Node("cli").Do(func() error {
			u, err := net.ListenUDP("udp", nil)
			if err != nil {
				return err
			}
			c, err = udppath.New(u, netip.AddrPortFrom(srv, 7000), udppath.Config{})
			return err
		}))
		defer c.Close()
		require.NoError(t, lab.SetMTU("cli", "srv", 1400))
		most, err := c.Max()
		require.NoError(t, err)
		assert.Equal(t, 1400-c.Overhead(), most)
		_, err = c.Write(make([]byte, most))
		require.NoError(t, err)
		_, err = c.Write(make([]byte, most+1))
		require.Error(t, err)
		assert.Equal(t, most, c.MaxBelow(most+1))
		require.NoError(t, lab.SetMTU("cli", "srv", 1300))
		assert.Equal(t, 1300-c.Overhead(), c.MaxBelow(most))
	}
}
