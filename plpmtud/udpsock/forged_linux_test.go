package udpsock_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/plpmtud/udpsock"
)

// attacker sends ICMP messages from a node that is not on the way.
type attacker struct {
	t    *testing.T
	conn *net.IPConn
	to   *net.IPAddr
	f    udpsock.Family
}

func newAttacker(t *testing.T, lab *netlab.Lab, node string, victim netip.Addr) *attacker {
	t.Helper()
	a := &attacker{t: t, to: &net.IPAddr{IP: victim.AsSlice()}, f: udpsock.FamilyOf(victim)}
	network := "ip4:icmp"
	if a.f == udpsock.IPv6 {
		network = "ip6:ipv6-icmp"
	}
	require.NoError(t, lab.Node(node).Do(func() (err error) {
		a.conn, err = net.ListenIP(network, nil)
		return err
	}))
	t.Cleanup(func() { a.conn.Close() })
	return a
}

// tooBig sends a PTB that quotes a UDP datagram.
func (a *attacker) tooBig(src, dst netip.AddrPort, mtu int, payload []byte) {
	udp := binary.BigEndian.AppendUint16(nil, src.Port())
	udp = binary.BigEndian.AppendUint16(udp, dst.Port())
	udp = binary.BigEndian.AppendUint16(udp, 1400)
	udp = append(udp, 0, 0)
	udp = append(udp, payload...)
	var msg, ip []byte
	if a.f == udpsock.IPv4 {
		msg = []byte{3, 4, 0, 0, 0, 0, byte(mtu >> 8), byte(mtu)}
		ip = []byte{0x45, 0, 0x05, 0x8c, 0, 0, 0x40, 0, 64, 17, 0, 0}
	} else {
		msg = binary.BigEndian.AppendUint32([]byte{2, 0, 0, 0}, uint32(mtu))
		ip = []byte{0x60, 0, 0, 0, 0x05, 0x78, 17, 64}
	}
	ip = append(ip, src.Addr().AsSlice()...)
	ip = append(ip, dst.Addr().AsSlice()...)
	msg = append(append(msg, ip...), udp...)
	if a.f == udpsock.IPv4 {
		// The kernel fills in the checksum of ICMPv6 only.
		var sum uint32
		for i := 0; i < len(msg); i += 2 {
			sum += uint32(msg[i])<<8 | uint32(append(msg, 0)[i+1])
		}
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		binary.BigEndian.PutUint16(msg[2:], ^uint16(sum))
	}
	_, err := a.conn.WriteToIP(msg, a.to)
	require.NoError(a.t, err)
}

// D4.6.1-3, D4.6.1-4, D8-2, D8-3: an attacker off the path who knows addresses
// and ports, but not what was sent, gets nothing through, and causes bounded
// work. One who guesses the payload does get through, so the messages are well
// formed.
func TestForgedPacketTooBig(t *testing.T) {
	for _, f := range []udpsock.Family{udpsock.IPv4, udpsock.IPv6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(1500, 1500, netlab.PTB{}))
			srv := listen(t, lab, "srv", "udp", 7)
			c := newClient(t, lab, socketKind{network: "udp", family: f}, 7, udpsock.QueueConfig{PerSecond: 1, Burst: 20})
			id, err := c.send(1400)
			require.NoError(t, err)
			require.Equal(t, 1400, received(t, srv, f, soon))

			cli := addr(t, lab, "cli", f)
			a := newAttacker(t, lab, "r2", cli)
			src := netipPort(cli, uint16(c.conn.LocalAddr().(*net.UDPAddr).Port))
			settled := func(want func(udpsock.QueueStats) bool, accept func(udpsock.Notice)) {
				t.Helper()
				require.Eventually(t, func() bool {
					require.NoError(t, c.queue.Read(time.Now(), accept))
					return want(c.queue.Stats())
				}, soon, time.Millisecond, "stats %+v", c.queue.Stats())
			}
			refuse := func(n udpsock.Notice) { t.Errorf("accepted: %+v", n) }

			a.tooBig(src, c.dst, 1300, []byte("datagram 1")) // what was sent
			var got udpsock.Notice
			settled(func(s udpsock.QueueStats) bool { return s.Accepted == 1 }, func(n udpsock.Notice) { got = n })
			assert.Equal(t, id, got.Sent.ID)
			assert.Equal(t, 1300, got.MTU)

			a.tooBig(src, c.dst, 1300, []byte("datagram 7"))
			settled(func(s udpsock.QueueStats) bool { return s.Unmatched == 1 }, refuse)
			a.tooBig(src, netipPort(c.dst.Addr(), 8), 1300, []byte("datagram 1"))
			settled(func(s udpsock.QueueStats) bool { return s.Unmatched == 2 }, refuse)
			a.tooBig(src, c.dst, 1300, []byte("data"))
			settled(func(s udpsock.QueueStats) bool { return s.ShortQuote == 1 }, refuse)
			a.tooBig(src, c.dst, 1300, nil)
			settled(func(s udpsock.QueueStats) bool { return s.ShortQuote == 2 }, refuse)

			const flood = 200
			for range flood {
				a.tooBig(src, c.dst, 1300, []byte("datagram 9"))
			}
			settled(func(s udpsock.QueueStats) bool { return s.Limited >= flood/2 }, refuse)
			assert.Less(t, c.queue.Stats().Unmatched, uint64(flood/2))
		})
	}
}

// PortsOnly is for those who must live with routers that quote the least.
func TestPortsOnlyAcceptsAShortQuote(t *testing.T) {
	lab := build(t, netlab.Path(1500, 1500, netlab.PTB{}))
	c := newClient(t, lab, socketKind{network: "udp4", family: udpsock.IPv4}, 7, udpsock.QueueConfig{PortsOnly: true})
	id, err := c.send(1400)
	require.NoError(t, err)
	cli := addr(t, lab, "cli", udpsock.IPv4)
	src := netipPort(cli, uint16(c.conn.LocalAddr().(*net.UDPAddr).Port))
	newAttacker(t, lab, "r2", cli).tooBig(src, c.dst, 1300, nil)
	// The closed port answers as well; both are about this datagram.
	require.Eventually(t, func() bool {
		found := false
		require.NoError(t, c.queue.Read(time.Now(), func(n udpsock.Notice) {
			assert.Equal(t, id, n.Sent.ID)
			found = found || n.Kind == udpsock.TooBig && n.MTU == 1300
		}))
		return found
	}, soon, time.Millisecond)
}
