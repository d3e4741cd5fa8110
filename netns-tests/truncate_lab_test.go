//go:build linux

package netnstests

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/internal/netlab"
	"pathmtu/plpmtud"
	"pathmtu/truncate"
)

// patiently is the time after which a probe counts as lost where none is to be:
// a slow machine is waited for.
const patiently = 10 * time.Second

// cutSource is a source of ours: it marks its datagrams as eligible, searches
// the path MTU by sending them to an echo port, and believes the ICMPv6 errors
// that come back as package truncate says.
type cutSource struct {
	t        *testing.T
	s        *sender
	w        *tap
	src      truncate.Source
	local    netip.AddrPort
	remote   netip.AddrPort
	firstHop int
	plain    bool // do not mark

	path     *plpmtud.Path
	sent     map[uint64]plpmtud.ProbeID // token -> probe; 0: data
	token    uint64
	next     int // of the tap's packets
	echoed   int // IP packet of the last datagram that came back
	events   []plpmtud.Event
	notices  truncate.NoticeCounters
	hints    []plpmtud.Hint
	sizes    []int // of probes, IP packets
	sentSize int   // bytes of all that was sent
}

// Headers of a marked datagram: IPv6, Destination Options, UDP.
const cutOverhead = ip6.HeaderLen + 8 + 8

// newCutSource makes a source in a node; iface is where its packets leave.
func newCutSource(t *testing.T, node *netlab.LiveNode, iface string, local, remote netip.AddrPort, firstHop int, timeout time.Duration) *cutSource {
	t.Helper()
	return cutSourceOver(t, newSender(t, node), newTap(t, node, iface), local, remote, firstHop, timeout)
}

func cutSourceOver(t *testing.T, s *sender, w *tap, local, remote netip.AddrPort, firstHop int, timeout time.Duration) *cutSource {
	c := &cutSource{t: t, s: s, w: w, local: local, remote: remote, firstHop: firstHop,
		sent: map[uint64]plpmtud.ProbeID{}, token: uint64(time.Now().UnixNano()) | 1<<63}
	var err error
	c.path, err = plpmtud.New(plpmtud.Config{
		Overhead: cutOverhead, Base: 1280 - cutOverhead, Min: 1280 - cutOverhead, Max: firstHop - cutOverhead,
		Layer: plpmtud.Unacknowledged, ProbeTimeout: timeout, RaiseInterval: time.Hour, ConfirmInterval: 30 * time.Minute,
		Trace: func(e plpmtud.Event) {
			c.events = append(c.events, e)
			if e.Kind == plpmtud.ProbeSent {
				c.sizes = append(c.sizes, e.Size+cutOverhead)
			}
		},
	})
	require.NoError(t, err)
	return c
}

// datagram is one to the peer of n bytes as an IP packet, marked.
func (c *cutSource) datagram(n int, id plpmtud.ProbeID) ip6.Packet {
	c.token++
	c.sent[c.token] = id
	p := c.unmarked(n)
	if c.plain {
		return p
	}
	m, why := c.src.AppendMarked(nil, p, c.firstHop)
	require.Equal(c.t, truncate.Marked, why)
	require.Len(c.t, m, n)
	return m
}

// unmarked is the last token's datagram, which would have n bytes with
// the option.
func (c *cutSource) unmarked(n int) ip6.Packet {
	body := make([]byte, n-cutOverhead)
	binary.BigEndian.PutUint64(body, c.token)
	return udpPacket(c.local, c.remote, body)
}

// udpPacket is a datagram with a good checksum.
func udpPacket(src, dst netip.AddrPort, body []byte) ip6.Packet {
	u := ip6test.UDP(len(body))
	binary.BigEndian.PutUint16(u, src.Port())
	binary.BigEndian.PutUint16(u[2:], dst.Port())
	copy(u[8:], body)
	p := ip6test.Packet(ip6.ProtoUDP, u)
	p.SetSrc(src.Addr())
	p.SetDst(dst.Addr())
	p.SetChecksum(ip6.Limits{})
	return p
}

// known says whether a quoted packet is one that was sent: ports and the token.
func (c *cutSource) known(q ip6.Packet) bool {
	up := upperOf(q)
	if up.Proto != ip6.ProtoUDP || len(q) < up.Off+16 || q.Src() != c.local.Addr() || q.Dst() != c.remote.Addr() {
		return false
	}
	_, ok := c.sent[binary.BigEndian.Uint64(q[up.Off+8:])]
	return ok && binary.BigEndian.Uint16(q[up.Off:]) == c.local.Port() && binary.BigEndian.Uint16(q[up.Off+2:]) == c.remote.Port()
}

// step sends what is due and takes what arrived.
func (c *cutSource) step() {
	now := time.Now()
	for {
		probe, ok := c.path.Poll(now)
		if !ok {
			break
		}
		c.send(c.datagram(probe.Size+cutOverhead, probe.ID))
	}
	all := c.w.packets()
	for ; c.next < len(all); c.next++ {
		if p := all[c.next]; !p.out && p.Dst() == c.local.Addr() {
			c.receive(now, p.Packet)
		}
	}
}

func (c *cutSource) send(p ip6.Packet) {
	c.sentSize += len(p)
	c.s.send(p)
}

func (c *cutSource) receive(now time.Time, p ip6.Packet) {
	up := upperOf(p)
	if up.Proto == ip6.ProtoUDP {
		if p.Src() != c.remote.Addr() || len(p) < up.Off+16 || binary.BigEndian.Uint16(p[up.Off+2:]) != c.local.Port() {
			return
		}
		if id, ok := c.sent[binary.BigEndian.Uint64(p[up.Off+8:])]; ok {
			c.echoed = len(p) - up.Off - 8 + cutOverhead
			c.path.Acked(now, id)
		}
		return
	}
	if up.Proto != ip6.ProtoICMPv6 || p[up.Off] >= 128 {
		return
	}
	// The size in use, for this check, is that of the packet quoted: nothing
	// larger than the first hop was sent.
	n, why := c.src.Check(p, c.firstHop+1, c.known)
	c.notices.Count(n, why)
	if why != truncate.Accepted {
		return
	}
	h := plpmtud.Hint{Source: plpmtud.PacketTooBig, MTU: n.MTU}
	if n.Origin == truncate.FromDestination {
		h.Source = plpmtud.Truncated
	}
	c.hints = append(c.hints, h)
	c.path.Hint(now, h)
}

// search runs until the search is complete.
func (c *cutSource) search() {
	c.t.Helper()
	c.path.Start(time.Now(), 0)
	c.until("search", func() bool { return c.path.State() == plpmtud.SearchComplete })
}

func (c *cutSource) until(what string, f func() bool) {
	c.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !f(); time.Sleep(2 * time.Millisecond) {
		require.True(c.t, time.Now().Before(end), "%s: %v at %d, probes %v, notices %+v", what, c.path.State(), c.path.MTU(), c.sizes, c.notices)
		c.step()
	}
}

// settle takes what still arrives.
func (c *cutSource) settle(f func() bool) {
	c.t.Helper()
	c.until("settling", f)
}

// delivers makes sure that a datagram of the size in use comes back.
func (c *cutSource) delivers() {
	c.t.Helper()
	c.echoed = 0
	c.send(c.datagram(c.path.MTU(), 0))
	c.until("data", func() bool { return c.echoed == c.path.MTU() })
}

func (c *cutSource) lost() (n int) {
	for _, e := range c.events {
		if e.Kind == plpmtud.ProbeLost {
			n++
		}
	}
	return n
}

// mute drops what a router says: ICMPv6 errors from an address, in the node
// that forwards them, as an access list for infrastructure does.
func mute(t *testing.T, node *netlab.LiveNode, router string) {
	t.Helper()
	runIn(t, node, "nft", "add table inet mute; add chain inet mute through { type filter hook forward priority 0; }; add rule inet mute through ip6 saddr "+router+" icmpv6 type packet-too-big counter drop")
}
