//go:build linux

package netnstests

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/internal/netlab"
	"pathmtu/truncate"
)

// theatre is where an attacker off the path sends what it likes with the
// victim's address:
//
//	vic --9000-.
//	            r1 --9000-- r2 --1500-- srv, and a user-space host beside it
//	att --9000-'            (cuts)
type theatre struct {
	lab      *netlab.Lab
	vic, att netip.Addr
	host     netip.AddrPort
}

func newTheatre(t *testing.T, conf string) theatre {
	t.Helper()
	top := netlab.Topology{Name: "forged", Nodes: []netlab.Node{{Name: "vic"}, {Name: "att"}, {Name: "r1", Kind: netlab.Router}, {Name: "r2"}, {Name: "srv"}}}
	for i, e := range []struct {
		a, b string
		mtu  int
	}{{"vic", "r1", 9000}, {"att", "r1", 9000}, {"r1", "r2", 9000}, {"r2", "srv", 1500}} {
		pre := func(host int) []netip.Prefix {
			return []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::%d/64", i+1, host))}
		}
		top.Links = append(top.Links, netlab.Link{A: netlab.End{Node: e.a, MTU: e.mtu, Addrs: pre(1)}, B: netlab.End{Node: e.b, MTU: e.mtu, Addrs: pre(2)}})
	}
	for _, r := range [][3]string{
		{"vic", "4", "2001:db8:1::2"}, {"att", "4", "2001:db8:2::2"}, {"att", "1", "2001:db8:2::2"}, {"r1", "4", "2001:db8:3::2"},
		{"r2", "1", "2001:db8:3::1"}, {"r2", "2", "2001:db8:3::1"}, {"srv", "1", "2001:db8:4::1"}, {"srv", "2", "2001:db8:4::1"},
	} {
		top.Routes = append(top.Routes, netlab.Route{Node: r[0], Dst: netip.MustParsePrefix("2001:db8:" + r[1] + "::/64"), Via: netip.MustParseAddr(r[2])})
	}
	th := theatre{lab: build(t, top), host: netip.MustParseAddrPort("[2001:db8:4::99]:7")}
	th.vic, _ = th.lab.Addr("vic", 6)
	th.att, _ = th.lab.Addr("att", 6)
	name := (&signalChain{t: t}).file(2, "datapath = \"afpacket\"\n[[port]]\nname = \"to-r1\"\n[[port]]\nname = \"to-srv\"\n"+cutting+conf)
	serve(t, th.lab.Node("r2"), ": forwarding", "router", "--config", name)
	serve(t, th.lab.Node("srv"), "answering", "host", "--datapath", "afpacket", "--port", "to-r2", "--address", th.host.Addr().String(), "--gateway", "2001:db8:4::1")
	return th
}

// Forged Truncated packets make the destination send Packets Too Big to the
// victim, and the attacker forges such messages itself, from the router and
// from the destination, quoting the right addresses and ports. Without the
// token that only the two ends know, none of them lowers the flow (section 2.7
// of the rules: S8; RFC 8201 section 6).
func TestTruncateForged(t *testing.T) {
	t.Parallel()
	th := newTheatre(t, "")
	local := netip.AddrPortFrom(th.vic, 5000)
	src := newCutSource(t, th.lab.Node("vic"), "to-r1", local, th.host, 9000, patiently)
	src.search()
	src.delivers()
	require.Equal(t, 1500, src.path.MTU())
	before := src.notices

	forger := newSender(t, th.lab.Node("att"))
	guess := make([]byte, 1400) // the token is not known
	binary.BigEndian.PutUint64(guess, 12345)
	opt := func(typ uint8, n int) ip6.Packet {
		p := udpPacket(local, th.host, guess[:n-cutOverhead])
		hdr, err := ip6.AppendOptionsHeader(nil, 0, ip6.OptionSpec{Type: typ})
		require.NoError(t, err)
		m, err := ip6.AppendInserted(nil, p, 6, ip6.HeaderLen, ip6.ProtoDestOpts, hdr)
		require.NoError(t, err)
		return m
	}
	const rounds = 12 // fewer than the budget of errors
	forged := 0
	for range rounds {
		forger.send(opt(0x9e, 1280)) // answered by the destination, to the victim
		for _, from := range []netip.Addr{th.host.Addr(), netip.MustParseAddr("2001:db8:3::2")} {
			ptb, err := ip6.AppendError(nil, ip6.ErrorSpec{Type: ip6.TypePacketTooBig, Param: 1280, Src: from}, opt(0x1e, 1400))
			require.NoError(t, err)
			p := ip6.Packet(ptb)
			p.SetDst(th.vic)
			require.True(t, p.SetChecksum(ip6.Limits{}))
			forger.send(p)
		}
		forged += 3
	}
	rejected := func() (n uint64) {
		for why, v := range src.notices.Rejected {
			if truncate.Reject(why) != truncate.Accepted {
				n += v - before.Rejected[why]
			}
		}
		return n
	}
	src.settle(func() bool { return rejected() == uint64(forged) })
	assert.Equal(t, uint64(forged), src.notices.Rejected[truncate.UnknownFlow]+src.notices.Rejected[truncate.MTUMismatch]-before.Rejected[truncate.UnknownFlow]-before.Rejected[truncate.MTUMismatch])
	assert.Equal(t, before.Router, src.notices.Router)
	assert.Equal(t, before.Destination, src.notices.Destination)
	assert.Equal(t, 1500, src.path.MTU(), "not lowered")
	src.delivers()
}

// What an attacker's bytes become at the victim, measured on the wire. A forged
// Truncated packet is answered with no more bytes than it has, and only as often
// as the budget of errors allows. A packet that a router cuts is answered twice
// under T1, which is at most two for one; under T0, or with the router's own
// message off, at most one for one (Q7, X2, X5).
func TestTruncateAmplification(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		conf string
		typ  uint8
		size int
		most float64 // bytes at the victim for each of the attacker's
		n    int
	}{
		{"forged truncated", "", 0x9e, 1280, 1, 20},
		{"forged truncated, flood", "", 0x9e, 1280, 1, 2000},
		{"forged truncated, large", "", 0x9e, 1500, 1, 20},
		{"forged truncated, too short", "", 0x9e, 100, 2.3, 20}, // RFC 4443: 48 bytes more than what is quoted
		{"cut, T1", "", 0x1e, 1501, 2, 20},
		{"cut, T1, flood", "", 0x1e, 1501, 2, 2000},
		{"cut, T0", "revision = \"T0\"\n", 0x1e, 1501, 1, 20},
		{"cut, T1, router silent", "packet-too-big = false\n", 0x1e, 1501, 1, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			th := newTheatre(t, c.conf)
			w := newTap(t, th.lab.Node("vic"), "to-r1")
			forger := newSender(t, th.lab.Node("att"))
			local := netip.AddrPortFrom(th.vic, 5000)
			p := ip6test.Sized(c.size, ip6.ProtoUDP, ip6test.UDP, ip6test.DestOpts(ip6.OptionSpec{Type: c.typ}))
			p.SetSrc(local.Addr())
			p.SetDst(th.host.Addr())
			require.True(t, p.SetChecksum(ip6.Limits{}))
			sent, began := 0, time.Now()
			for range c.n {
				forger.send(p)
				sent += len(p)
			}
			// A last packet of another kind, whose answer comes after all others.
			end := udpPacket(netip.AddrPortFrom(th.vic, 5001), netip.AddrPortFrom(th.host.Addr(), 7), []byte("the last one"))
			require.Eventually(t, func() bool {
				forger.send(end)
				for _, q := range w.packets() {
					if !q.out && upperOf(q.Packet).Proto == ip6.ProtoUDP {
						return true
					}
				}
				return false
			}, soonest, tick)
			took := time.Since(began).Seconds()
			got, errors := 0, 0
			for _, q := range w.packets() {
				if e, err := ip6.ParseErrorPacket(q.Packet, ip6.Limits{}); err == nil && !q.out {
					got += len(q.Packet)
					errors++
					if e.Type == ip6.TypePacketTooBig {
						assert.GreaterOrEqual(t, e.Param, uint32(1280))
					}
				}
			}
			ratio := float64(got) / float64(sent)
			t.Logf("%d packets, %d bytes; %d errors, %d bytes at the victim; %.2f for one", c.n, sent, errors, got, ratio)
			assert.NotZero(t, errors)
			assert.LessOrEqual(t, ratio, c.most)
			if c.n > 1000 {
				// Budgets: 50 at once and 100 a second at the destination, for
				// one source's /64 50 at once and 250 a second at the router.
				assert.LessOrEqual(t, float64(errors), 100+350*(took+1))
				assert.Less(t, ratio, c.most/2)
			}
		})
	}
}
