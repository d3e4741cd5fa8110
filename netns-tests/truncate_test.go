//go:build linux

package netnstests

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/internal/netlab"
	"pathmtu/plpmtud"
	"pathmtu/truncate"
)

const cutting = "[truncate]\nenabled = true\n"

// Source, routers and destination of ours, kernel routers between them: the
// destination's Packet Too Big arrives also where those of routers are dropped,
// and one confirming probe follows (S8, Q1, Q2, Q3, Q4, Q8, X1, X2).
func TestTruncatePath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		mtus         []int
		hops         []string
		conf         string
		muted        []int // routers whose errors r1, a kernel router, drops
		router, dest bool  // who tells
		silent       bool  // nobody does
	}{
		{name: "both tell", mtus: []int{9000, 9000, 1500}, hops: []string{hopKernel, hopAFPacket}, conf: cutting, router: true, dest: true},
		{name: "router's filtered", mtus: []int{9000, 9000, 1500}, hops: []string{hopKernel, hopAFPacket}, conf: cutting, muted: []int{2}, dest: true},
		{name: "revision T0", mtus: []int{9000, 9000, 1500}, hops: []string{hopKernel, hopAFXDP}, conf: cutting + "revision = \"T0\"\n", dest: true},
		{name: "T1 without its own", mtus: []int{9000, 9000, 1500}, hops: []string{hopKernel, hopAFPacket}, conf: cutting + "packet-too-big = false\n", dest: true},
		{name: "cut twice", mtus: []int{9000, 9000, 4000, 1500}, hops: []string{hopKernel, hopAFPacket, hopAFXDP}, conf: cutting, muted: []int{2, 3}, dest: true},
		{name: "cut three times, kernel behind", mtus: []int{9000, 9000, 8000, 4000, 1400, 1400}, hops: []string{hopKernel, hopAFXDP, hopTUN, hopAFPacket, hopKernel}, conf: cutting, muted: []int{2, 3, 4}, dest: true},
		{name: "kernel bottleneck behind", mtus: []int{9000, 9000, 4000, 1500}, hops: []string{hopKernel, hopAFPacket, hopKernel}, conf: cutting, muted: []int{2}, router: true, dest: false},
		{name: "4000, router's filtered", mtus: []int{9000, 9000, 4000}, hops: []string{hopKernel, hopAFXDP}, conf: cutting, muted: []int{2}, dest: true},
		{name: "4000, nobody cuts, filtered", mtus: []int{9000, 9000, 4000}, hops: []string{hopKernel, hopKernel}, muted: []int{2}, silent: true},
		{name: "nobody cuts, filtered", mtus: []int{9000, 9000, 1500}, hops: []string{hopKernel, hopKernel}, muted: []int{2}, silent: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ch := newSignalChain(t, c.mtus, c.hops, c.conf)
			ch.hostUp()
			for k, i := range c.muted {
				if k == 0 {
					mute(t, ch.lab.Node("r1"), fmt.Sprintf("2001:db8:%d::2", i))
					continue
				}
				runIn(t, ch.lab.Node("r1"), "nft", fmt.Sprintf("add rule inet mute through ip6 saddr { 2001:db8:%d::2, 2001:db8:7%d::1 } icmpv6 type packet-too-big counter drop", i, i))
			}
			timeout := patiently
			if c.silent {
				timeout = time.Second
			}
			src := newCutSource(t, ch.lab.Node("cli"), "to-r1", netip.AddrPortFrom(ch.cli, 5000), ch.hostPort(), c.mtus[0], timeout)
			src.send(src.datagram(9000, 0)) // data at the first hop's MTU: S8
			src.search()
			src.delivers()
			if c.silent {
				assert.LessOrEqual(t, src.path.MTU(), ch.truth())
				assert.GreaterOrEqual(t, src.path.MTU(), ch.truth()*9/10, "a search may stop below an unusual size")
				assert.NotZero(t, src.lost(), "only timeouts tell")
				t.Logf("MTU %d, probes %v", src.path.MTU(), src.sizes)
				return
			}
			assert.Equal(t, ch.truth(), src.path.MTU())
			assert.Equal(t, c.router, src.notices.Router > 0, "%+v", src.notices)
			assert.Equal(t, c.dest, src.notices.Destination > 0, "%+v", src.notices)
			for _, h := range src.hints {
				if h.Source == plpmtud.Truncated {
					assert.Equal(t, ch.truth(), h.MTU, "what arrived is what fits the whole path")
				}
			}
			assert.Zero(t, src.lost(), "no probe times out: probes %v", src.sizes)
			t.Logf("probes %v, hints %v", src.sizes, src.hints)
		})
	}
}

// A kernel destination knows nothing of truncation: Eligible is skipped and the
// datagram delivered, Truncated is answered with a Parameter Problem, which the
// source understands (S9, S10, X6).
func TestTruncateUnawareDestination(t *testing.T) {
	t.Parallel()
	ch := newSignalChain(t, []int{9000, 9000, 1500}, []string{hopKernel, hopAFPacket}, cutting)
	mute(t, ch.lab.Node("r1"), "2001:db8:2::2")
	srv, _ := ch.lab.Addr("srv", 6)
	to := netip.AddrPortFrom(srv, 7)
	var c *net.UDPConn
	require.NoError(t, ch.lab.Node("srv").Do(func() (err error) {
		c, err = net.ListenUDP("udp6", net.UDPAddrFromAddrPort(to))
		return err
	}))
	defer c.Close()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(soonest)))
	src := newCutSource(t, ch.lab.Node("cli"), "to-r1", netip.AddrPortFrom(ch.cli, 5000), to, 9000, patiently)
	peer, err := truncate.NewPeer(truncate.PeerConfig{})
	require.NoError(t, err)
	src.send(src.datagram(1500, 0))
	n, err := c.Read(make([]byte, 9000))
	require.NoError(t, err)
	assert.Equal(t, 1500-cutOverhead, n)

	p := src.datagram(4000, 0)
	src.send(p)
	var notice truncate.Notice
	src.w.await(t, "Parameter Problem", func(q tapped) bool {
		if q.out {
			return false
		}
		got, why := src.src.Check(q.Packet, 9000, src.known)
		notice = got
		return why == truncate.Accepted
	})
	assert.True(t, notice.Unaware)
	assert.Equal(t, truncate.FromDestination, notice.Origin)
	assert.Equal(t, 1500, notice.MTU, "it still says what arrived")
	peer.Notice(time.Now(), notice)
	assert.Equal(t, truncate.Unaware, peer.State(time.Now()))
	assert.False(t, peer.MayMark(time.Now()))
}

// Flows that take different paths learn different sizes, each its own.
func TestTruncateECMP(t *testing.T) {
	t.Parallel()
	lab, host := ecmp(t, 1500, 4000)
	cli, _ := lab.Addr("cli", 6)
	s, w := newSender(t, lab.Node("cli")), newTap(t, lab.Node("cli"), "to-r0")
	found := map[int]int{}
	for i := range 16 {
		src := cutSourceOver(t, s, w, netip.AddrPortFrom(cli, uint16(5000+i)), netip.AddrPortFrom(host, 7), 9000, patiently)
		src.search()
		src.delivers()
		assert.NotZero(t, src.notices.Destination)
		assert.Zero(t, src.notices.Router, "filtered")
		assert.Zero(t, src.lost())
		for _, h := range src.hints {
			assert.Equal(t, src.path.MTU(), h.MTU, "flow %d learns from its own packets only", i)
		}
		found[src.path.MTU()]++
	}
	assert.Len(t, found, 2, "%v", found)
	assert.NotZero(t, found[1500])
	assert.NotZero(t, found[4000])
	t.Logf("path MTU of the flows: %v", found)
}

// ecmp is twoWays whose ra and rb are routers of ours and cut. It returns a
// user-space host beside srv.
func ecmp(t *testing.T, behindA, behindB int) (*netlab.Lab, netip.Addr) {
	t.Helper()
	lab := twoWays(t, netlab.Host, behindA, behindB)
	serve(t, lab.Node("ra"), ": forwarding", "router", "--truncate", "--datapath", hopAFPacket, "--port", "to-r0", "--port", "to-r3")
	serve(t, lab.Node("rb"), ": forwarding", "router", "--truncate", "--datapath", hopAFXDP, "--port", "to-r0", "--port", "to-r3")
	host := netip.MustParseAddr("2001:db8:6::99")
	serve(t, lab.Node("srv"), "answering", "host", "--datapath", "afpacket", "--port", "to-r3", "--address", host.String(), "--gateway", "2001:db8:6::1")
	return lab, host
}

// What survives a cut is a good packet: tshark finds its checksums good, and a
// kernel's sockets take it, once the mark is turned back to one that the kernel
// skips; they verify checksum and length (Q3, Q4, Q5).
func TestTruncateChecksums(t *testing.T) {
	t.Parallel()
	for _, mtu := range []int{1500, 1499, 1281} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			t.Parallel()
			ch := newSignalChain(t, []int{9000, mtu}, []string{hopAFPacket}, cutting)
			srv, _ := ch.lab.Addr("srv", 6)
			node := ch.lab.Node("srv")
			// The option's type is at byte 42 of the packet.
			runIn(t, node, "nft", "add table ip6 remark; add chain ip6 remark early { type filter hook prerouting priority -300; }; add rule ip6 remark early ip6 nexthdr 60 @nh,336,8 0x9e counter @nh,336,8 set 0x1e")
			var c *net.UDPConn
			require.NoError(t, node.Do(func() (err error) {
				c, err = net.ListenUDP("udp6", &net.UDPAddr{IP: srv.AsSlice(), Port: ip6test.DstPort})
				return err
			}))
			defer c.Close()
			w, back := newTap(t, node, "to-r1"), newTap(t, ch.lab.Node("cli"), "to-r1")
			s := newSender(t, ch.lab.Node("cli"))
			build := func(upper uint8, body []byte) ip6.Packet {
				p := ip6test.Packet(upper, body, ip6test.DestOpts(ip6.OptionSpec{Type: 0x1e}))
				p.SetSrc(ch.cli)
				p.SetDst(srv)
				require.True(t, p.SetChecksum(ip6.Limits{}))
				return p
			}
			buf := make([]byte, 9000)
			for _, n := range []int{1600, 1601, 8001} {
				body := ip6test.UDP(n)
				s.send(build(ip6.ProtoUDP, body))
				require.NoError(t, c.SetReadDeadline(time.Now().Add(soonest)))
				got, err := c.Read(buf)
				require.NoError(t, err, "the kernel's socket takes it")
				assert.Equal(t, body[8:8+mtu-cutOverhead], buf[:got])
			}
			echo := ip6test.Echo(3000)
			s.send(build(ip6.ProtoICMPv6, echo))
			reply := back.await(t, "echo reply", func(q tapped) bool {
				up := upperOf(q.Packet)
				return !q.out && up.Proto == ip6.ProtoICMPv6 && q.Packet[up.Off] == ip6.TypeEchoReply
			})
			assert.Equal(t, echo[8:8+mtu-cutOverhead], []byte(reply.Packet[48:]))
			syn := ip6test.TCP(2500)
			binary.BigEndian.PutUint16(syn[2:], 4) // closed
			binary.BigEndian.PutUint32(syn[8:], 0)
			syn[13] = 2
			s.send(build(ip6.ProtoTCP, syn))
			reset := back.await(t, "reset", func(q tapped) bool { return !q.out && upperOf(q.Packet).Proto == ip6.ProtoTCP })
			assert.Equal(t, binary.BigEndian.Uint32(syn[4:])+1+uint32(mtu-68), binary.BigEndian.Uint32(reset.Packet[48:]), "it counts the bytes that are left")

			var cut []ip6.Packet
			w.await(t, "the cut TCP segment", func(q tapped) bool {
				return !q.out && q.NextHeader() == ip6.ProtoDestOpts && upperOf(q.Packet).Proto == ip6.ProtoTCP
			})
			for _, q := range w.packets() {
				if !q.out && q.NextHeader() == ip6.ProtoDestOpts {
					cut = append(cut, q.Packet)
				}
			}
			require.Len(t, cut, 5)
			rows := ip6test.Tshark(t, cut, "ipv6.plen", "udp.length", "udp.checksum.status", "tcp.checksum.status", "icmpv6.checksum.status", "_ws.malformed")
			plen, ulen := fmt.Sprint(mtu-40), fmt.Sprint(mtu-48)
			for i := range 3 {
				assert.Equal(t, []string{plen, ulen, "1", "", "", ""}, rows[i])
			}
			assert.Equal(t, []string{plen, "", "", "", "1", ""}, rows[3])
			assert.Equal(t, []string{plen, "", "", "1", "", ""}, rows[4])
			kinds := dissect(t, cut, nil, "truncate6.kind", "truncate6.cut")
			for i := range kinds {
				assert.Equal(t, []string{"2", fmt.Sprint(mtu)}, kinds[i])
			}
		})
	}
}

// A packet that does not ask for it is not cut, and one that is invalid is
// not either: plain RFC 8200 (Q6, S2, S6).
func TestTruncateRefused(t *testing.T) {
	t.Parallel()
	ch := newSignalChain(t, []int{9000, 1500}, []string{hopAFPacket}, cutting)
	srv, _ := ch.lab.Addr("srv", 6)
	w, back := newTap(t, ch.lab.Node("srv"), "to-r1"), newTap(t, ch.lab.Node("cli"), "to-r1")
	s := newSender(t, ch.lab.Node("cli"))
	el, tr := ip6.OptionSpec{Type: 0x1e}, ip6.OptionSpec{Type: 0x9e}
	for i, exts := range [][]ip6test.Ext{
		nil,
		{ip6test.DestOpts(el, tr)},
		{ip6test.Fragment(0, true), ip6test.DestOpts(el)},
		{ip6test.DestOpts(ip6.OptionSpec{Type: 0x1e, Data: []byte{1}})},
		{ip6test.HopByHop(el)},
	} {
		p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(3000), exts...)
		p.SetSrc(ch.cli)
		p.SetDst(srv)
		p.SetFlowLabel(uint32(0x100 + i))
		s.send(p)
		ptb := back.await(t, fmt.Sprintf("Packet Too Big %d", i), func(q tapped) bool {
			e, err := ip6.ParseErrorPacket(q.Packet, ip6.Limits{})
			return err == nil && !q.out && e.Type == ip6.TypePacketTooBig && e.Param == 1500 && e.Quote.FlowLabel() == uint32(0x100+i)
		})
		assert.LessOrEqual(t, len(ptb.Packet), 1280)
	}
	ok := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(3000), ip6test.DestOpts(el))
	ok.SetSrc(ch.cli)
	ok.SetDst(srv)
	s.send(ok)
	w.await(t, "the one that may be cut", func(q tapped) bool { return !q.out && len(q.Packet) == 1500 })
	n := 0
	for _, q := range w.packets() {
		if !q.out && q.Src() == ch.cli {
			n++
		}
	}
	assert.Equal(t, 1, n)
}
