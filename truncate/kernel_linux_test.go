package truncate_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/truncate"
)

const soon = 3 * time.Second // for what must come

// kernel is a lab whose hosts and routers are the kernel's. None of them knows
// truncation; the packets are cut here before they are sent.
type kernel struct {
	t        *testing.T
	lab      *netlab.Lab
	cli, srv netip.Addr
	raw      int
}

func newKernel(t *testing.T) *kernel {
	t.Helper()
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	lab, err := netlab.Build(t.Context(), netlab.Path(9000, 9000, netlab.PTB{}))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })
	k := &kernel{t: t, lab: lab}
	k.cli, _ = lab.Addr("cli", 6)
	k.srv, _ = lab.Addr("srv", 6)
	require.NoError(t, lab.Node("cli").Do(func() (err error) {
		k.raw, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	}))
	t.Cleanup(func() { unix.Close(k.raw) })
	return k
}

// packet is one from cli to srv.
func (k *kernel) packet(proto uint8, body []byte, exts ...ip6test.Ext) ip6.Packet {
	p := ip6test.Packet(proto, body, exts...)
	p.SetSrc(k.cli)
	p.SetDst(k.srv)
	require.True(k.t, p.SetChecksum(ip6.Limits{}))
	return p
}

func (k *kernel) send(p ip6.Packet) {
	k.t.Helper()
	require.NoError(k.t, unix.Sendto(k.raw, p, 0, &unix.SockaddrInet6{Addr: p.Dst().As16()}))
}

// listen opens a raw socket at cli.
func (k *kernel) listen(proto string) *net.IPConn {
	k.t.Helper()
	var c *net.IPConn
	require.NoError(k.t, k.lab.Node("cli").Do(func() (err error) {
		c, err = net.ListenIP("ip6:"+proto, &net.IPAddr{IP: k.cli.AsSlice()})
		return err
	}))
	k.t.Cleanup(func() { c.Close() })
	require.NoError(k.t, c.SetReadDeadline(time.Now().Add(soon)))
	return c
}

// cutForKernel cuts a marked packet to n bytes and takes the Truncated mark
// back, so that a kernel delivers it: what is tested is the rest.
func cutForKernel(t *testing.T, p ip6.Packet, n int) ip6.Packet {
	q := cutBy(t, t1, p, n)
	require.Equal(t, uint8(tr), q[42])
	q[42] = el
	return q
}

// A kernel's UDP socket takes cut datagrams, of odd and even lengths: it has
// verified UDP Length and checksum. One with a wrong checksum it does not take.
// X6: a host that does not know Eligible skips it.
func TestKernelTakesUDP(t *testing.T) {
	k := newKernel(t)
	var c *net.UDPConn
	require.NoError(t, k.lab.Node("srv").Do(func() (err error) {
		c, err = net.ListenUDP("udp6", &net.UDPAddr{IP: k.srv.AsSlice(), Port: ip6test.DstPort})
		return err
	}))
	defer c.Close()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(soon)))
	buf := make([]byte, 9000)
	for _, n := range []int{1280, 1281, 1399} {
		p := k.packet(ip6.ProtoUDP, ip6test.UDP(2000), do(opt(el)))
		payload := append([]byte(nil), p[56:]...)
		bad := cutForKernel(t, ip6test.Clone(p), n)
		bad[len(bad)-1] ^= 1
		k.send(bad)
		k.send(cutForKernel(t, p, n))
		got, err := c.Read(buf)
		require.NoError(t, err)
		assert.Equal(t, payload[:n-56], buf[:got])
	}
}

// A kernel answers a cut echo request, which it does only for good checksums.
func TestKernelTakesICMPv6(t *testing.T) {
	k := newKernel(t)
	c := k.listen("ipv6-icmp")
	buf := make([]byte, 9000)
	for _, n := range []int{1280, 1281} {
		p := k.packet(ip6.ProtoICMPv6, ip6test.Echo(2000), do(opt(el)))
		body := append([]byte(nil), p[52:]...)
		k.send(cutForKernel(t, p, n))
		for {
			got, err := c.Read(buf)
			require.NoError(t, err)
			if got > 0 && buf[0] == ip6.TypeEchoReply {
				assert.Equal(t, body[:n-52], buf[4:got])
				break
			}
		}
	}
}

// A kernel resets a cut SYN to a closed port; the acknowledgement number counts
// the bytes that are left.
func TestKernelTakesTCP(t *testing.T) {
	k := newKernel(t)
	c := k.listen("tcp")
	buf := make([]byte, 9000)
	for i, n := range []int{1280, 1281} {
		body := ip6test.TCP(2000)
		seq := uint32(1000 * (i + 1))
		binary.BigEndian.PutUint32(body[4:], seq)
		binary.BigEndian.PutUint32(body[8:], 0)
		body[13] = 0x02 // SYN
		k.send(cutForKernel(t, k.packet(ip6.ProtoTCP, body, do(opt(el))), n))
		got, err := c.Read(buf)
		require.NoError(t, err)
		require.GreaterOrEqual(t, got, 20)
		assert.Equal(t, uint8(0x14), buf[13], "RST, ACK")
		assert.Equal(t, seq+1+uint32(n-68), binary.BigEndian.Uint32(buf[8:]))
	}
}

// X6, S9: a kernel that does not know Truncated discards the packet and
// answers with a Parameter Problem, which the source believes as what it is.
func TestKernelIsUnaware(t *testing.T) {
	k := newKernel(t)
	c := k.listen("ipv6-icmp")
	k.send(cutBy(t, t1, k.packet(ip6.ProtoUDP, ip6test.UDP(2000), do(opt(el))), 1400))
	buf := make([]byte, 9000)
	for {
		n, from, err := c.ReadFrom(buf)
		require.NoError(t, err)
		addr, _ := netip.AddrFromSlice(from.(*net.IPAddr).IP)
		notice, why := source.CheckMessage(addr, k.cli, buf[:n], 9000, func(q ip6.Packet) bool { return q.Dst() == k.srv })
		if why == truncate.NotOurs {
			continue // neighbour discovery
		}
		require.Equal(t, truncate.Accepted, why)
		assert.Equal(t, truncate.Notice{Origin: truncate.FromDestination, Unaware: true, MTU: 1400, Quote: notice.Quote}, notice)
		assert.Equal(t, 1400, notice.Quote.TotalLen())
		return
	}
}
