package internet

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
)

// calm is an Internet without chance: every host exists and answers.
func calm() Config {
	c := Default()
	c.Loss, c.Exists, c.Filtered, c.Lying, c.PTBLimited, c.Double, c.Reverse = 0, 1, 0, 0, 0, 0, 0
	c.EchoLimited, c.ShortQuote, c.ClosedPort, c.QUIC, c.DNS = 0, 0, 1, 1, 1
	return c
}

func world(t testing.TB, c Config) *World {
	w, err := New(c)
	require.NoError(t, err)
	return w
}

type packet struct {
	delay time.Duration
	data  []byte
}

type collect struct{ packets []packet }

func (c *collect) Add(delay time.Duration, n int) []byte {
	c.packets = append(c.packets, packet{delay, make([]byte, n)})
	return c.packets[len(c.packets)-1].data
}

func (w *World) ask(now time.Duration, p []byte) []packet {
	var c collect
	w.Handle(now, p, &c)
	return c.packets
}

// probeOf makes a packet of a size: an echo request, or a datagram to a port.
func probeOf(t testing.TB, dst netip.Addr, size, ttl, port int, df bool) []byte {
	var network gopacket.SerializableLayer
	var carry []gopacket.SerializableLayer
	src, header := Source4, 20
	if dst.Is6() {
		src, header = Source6, 40
	}
	body := make([]byte, size-header-8)
	for i := range body {
		body[i] = byte(i * 7)
	}
	if dst.Is4() {
		ip := &layers.IPv4{Version: 4, TTL: uint8(ttl), SrcIP: src.AsSlice(), DstIP: dst.AsSlice(), Protocol: layers.IPProtocolICMPv4}
		if df {
			ip.Flags = layers.IPv4DontFragment
		}
		if port != 0 {
			ip.Protocol = layers.IPProtocolUDP
			udp := &layers.UDP{SrcPort: 5000, DstPort: layers.UDPPort(port)}
			require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
			carry = append(carry, udp)
		} else {
			carry = append(carry, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 7, Seq: 9})
		}
		network = ip
	} else {
		ip := &layers.IPv6{Version: 6, HopLimit: uint8(ttl), SrcIP: src.AsSlice(), DstIP: dst.AsSlice(), NextHeader: layers.IPProtocolICMPv6}
		if port != 0 {
			ip.NextHeader = layers.IPProtocolUDP
			udp := &layers.UDP{SrcPort: 5000, DstPort: layers.UDPPort(port)}
			require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
			carry = append(carry, udp)
		} else {
			icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}
			require.NoError(t, icmp.SetNetworkLayerForChecksum(ip))
			body = append([]byte{0, 7, 0, 9}, body...)
			carry = append(carry, icmp)
		}
		network = ip
	}
	buf := gopacket.NewSerializeBuffer()
	all := append([]gopacket.SerializableLayer{network}, carry...)
	require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append(all, gopacket.Payload(body))...))
	require.Len(t, buf.Bytes(), size)
	return buf.Bytes()
}

// check verifies lengths and checksums of a packet by an independent decoder's
// fields and a plain sum.
func check(t testing.TB, p []byte) {
	t.Helper()
	upper, proto := 20, p[9]
	var pseudo ip6.Sum
	if p[0]>>4 == 4 {
		require.Equal(t, len(p), int(binary.BigEndian.Uint16(p[2:])))
		require.Equal(t, uint16(0xffff), ip6.Sum(0).Add(p[:20]).Fold(), "IPv4 header checksum")
		if binary.BigEndian.Uint16(p[6:])&0x3fff != 0 {
			return // a fragment
		}
		if proto == protoUDP {
			pseudo = pseudo.Add(p[12:20]).Word(uint16(len(p) - 20)).Word(protoUDP)
		}
	} else {
		upper, proto = 40, p[6]
		require.Equal(t, len(p)-40, int(binary.BigEndian.Uint16(p[4:])))
		pseudo = pseudo.Add(p[8:40]).Long(uint32(len(p) - 40)).Word(uint16(proto))
	}
	require.Equal(t, uint16(0xffff), pseudo.Add(p[upper:]).Fold(), "upper-layer checksum of % x", p[:upper+8])
	typ := layers.LayerTypeIPv4
	if p[0]>>4 == 6 {
		typ = layers.LayerTypeIPv6
	}
	require.Nil(t, gopacket.NewPacket(p, typ, gopacket.Default).ErrorLayer())
}

func sample(t testing.TB, family, n int) []netip.Addr {
	seq, err := Targets(3, family, n)
	require.NoError(t, err)
	var out []netip.Addr
	for a := range seq {
		out = append(out, a)
	}
	return out
}

func TestTruthIsPure(t *testing.T) {
	a, b := world(t, Default()), world(t, Default())
	other := Default()
	other.Seed = 2
	o := world(t, other)
	differ := 0
	for _, addr := range append(sample(t, 4, 200), sample(t, 6, 200)...) {
		h := a.Host(addr)
		a.ask(0, probeOf(t, addr, 100, 64, 0, true))
		require.Equal(t, h, a.Host(addr), "packets change nothing")
		require.Equal(t, h, b.Host(addr))
		if o.Host(addr).MTU != h.MTU {
			differ++
		}
	}
	assert.Greater(t, differ, 100, "the seed matters")
}

// TestShares: what is configured is what comes out.
func TestShares(t *testing.T) {
	c := Default()
	w := world(t, c)
	for _, family := range []int{4, 6} {
		const n = 50000
		var exist, top, filtered, lying, small int
		for _, a := range sample(t, family, n) {
			h := w.Host(a)
			exist += count(h.Exists)
			top += count(h.MTU == 1500)
			small += count(h.MTU < 1499)
			filtered += count(h.PTB == PTBFiltered)
			lying += count(h.PTB == PTBLying)
			require.Equal(t, h.MTU < 1500, h.Bottleneck != 0)
			require.LessOrEqual(t, h.Bottleneck, h.Hops)
			require.False(t, family == 6 && h.MTU < 1280)
			require.False(t, h.PTB == PTBLying && h.Claim == h.MTU, "a lie is no truth")
		}
		want := 0.52
		if family == 6 {
			want = 0.55
		}
		assert.InDelta(t, c.Exists, float64(exist)/n, 0.01)
		assert.InDelta(t, want, float64(top)/n, 0.03)
		assert.InDelta(t, c.Filtered, float64(filtered)/float64(small), 0.03)
		assert.InDelta(t, c.Lying, float64(lying)/float64(small), 0.01)
	}
}

func TestTargetsDiffer(t *testing.T) {
	for _, family := range []int{4, 6} {
		seen := map[netip.Addr]bool{}
		nets := map[netip.Addr]bool{}
		for _, a := range sample(t, family, 100000) {
			require.False(t, seen[a])
			seen[a] = true
			nets[network(a)] = true
			require.True(t, Targets4.Contains(a) || Targets6.Contains(a), a)
		}
		assert.Greater(t, len(nets), 20000)
	}
	_, err := Targets(1, 5, 1)
	assert.ErrorContains(t, err, "family 5")
	_, err = Targets(1, 4, 0)
	assert.ErrorContains(t, err, "0 targets")
}

// TestSizes: exactly the packets up to the path MTU are answered; larger ones
// by the bottleneck's message, which names the MTU and quotes the packet.
func TestSizes(t *testing.T) {
	w := world(t, calm())
	for _, a := range append(sample(t, 4, 300), sample(t, 6, 300)...) {
		h := w.Host(a)
		for _, port := range []int{0, 33434} {
			got := w.ask(time.Hour, probeOf(t, a, h.MTU, 64, port, true))
			require.Len(t, got, 1)
			check(t, got[0].data)
			assert.Equal(t, h.RTT, got[0].delay)
			if port == 0 {
				require.Len(t, got[0].data, h.MTU, "an echo reply is as large as the request")
			} else {
				require.LessOrEqual(t, len(got[0].data), 1280)
			}
			if h.MTU == 1500 {
				continue
			}
			sent := probeOf(t, a, h.MTU+1, 64, port, true)
			got = w.ask(time.Hour, sent)
			require.Len(t, got, 1)
			p := got[0].data
			check(t, p)
			upper, most := 20, 576
			if a.Is6() {
				upper, most = 40, 1280
			}
			require.Len(t, p, min(most, len(sent)+upper+8))
			if a.Is4() {
				assert.Equal(t, []byte{3, 4}, p[20:22])
				assert.Equal(t, h.MTU, int(binary.BigEndian.Uint16(p[26:])))
				assert.Equal(t, uint16(0xffff), ip6.Sum(0).Add(p[28:48]).Fold(), "the quoted header's checksum")
				assert.Equal(t, 64-h.Bottleneck+1, int(p[28+8]), "TTL as it was received")
				assert.Equal(t, sent[20:len(p)-28], p[48:])
			} else {
				assert.Equal(t, []byte{2, 0}, p[40:42])
				assert.Equal(t, h.MTU, int(binary.BigEndian.Uint32(p[44:])))
				assert.Equal(t, 64-h.Bottleneck+1, int(p[48+7]))
				assert.Equal(t, sent[40:len(p)-48], p[88:])
			}
			assert.Equal(t, h.Router.AsSlice(), sourceOf(p))
		}
		if a.Is4() && h.MTU < 1500 {
			got := w.ask(0, probeOf(t, a, 1500, 64, 0, false))
			require.Len(t, got, 1, "without DF, routers fragment")
			require.Len(t, got[0].data, 1500)
		}
	}
}

func sourceOf(p []byte) []byte {
	if p[0]>>4 == 4 {
		return p[12:16]
	}
	return p[8:24]
}

// TestHops: a TTL that ends at a router is answered by that router, also when
// the packet is too large for a later one.
func TestHops(t *testing.T) {
	w := world(t, calm())
	for _, a := range append(sample(t, 4, 50), sample(t, 6, 50)...) {
		h := w.Host(a)
		for ttl := 1; ttl <= h.Hops+1; ttl++ {
			got := w.ask(time.Hour, probeOf(t, a, 1500, ttl, 33434, true))
			require.Len(t, got, 1, "ttl %d of %+v", ttl, h)
			p := got[0].data
			check(t, p)
			upper := 20
			if a.Is6() {
				upper = 40
			}
			typ := p[upper]
			switch {
			case h.Bottleneck != 0 && ttl > h.Bottleneck:
				assert.Contains(t, [][]byte{{3, 4}, {2, 0}}, p[upper:upper+2])
			case ttl <= h.Hops:
				assert.Contains(t, []byte{11, 3}, typ, "ttl %d", ttl)
				r := w.router(&h, ttl)
				assert.Equal(t, r.AsSlice(), sourceOf(p))
			default:
				assert.Equal(t, a.AsSlice(), sourceOf(p))
			}
		}
	}
}

func TestServices(t *testing.T) {
	w := world(t, calm())
	for _, a := range []netip.Addr{sample(t, 4, 1)[0], sample(t, 6, 1)[0]} {
		h := w.Host(a)
		header := 28
		if a.Is6() {
			header = 48
		}
		quic := probeOf(t, a, header+1200, 64, 443, true)
		b := quic[header:]
		copy(b, []byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 3, 1, 2, 3, 2, 8, 9})
		fix(quic)
		got := w.ask(0, quic)
		require.Len(t, got, 1)
		check(t, got[0].data)
		vn := got[0].data[header:]
		assert.Equal(t, []byte{0, 0, 0, 0, 2, 8, 9, 3, 1, 2, 3}, vn[1:12], "version 0, connection IDs swapped")
		assert.NotZero(t, vn[0]&0x80)
		short := probeOf(t, a, header+1199, 64, 443, true)
		copy(short[header:], b[:12])
		fix(short)
		assert.Empty(t, w.ask(0, short), "RFC 9000 section 5.2.2: a small datagram is dropped")

		dns := probeOf(t, a, header+40, 64, 53, true)
		copy(dns[header:], []byte{0xab, 0xcd, 1, 0})
		fix(dns)
		got = w.ask(0, dns)
		require.Len(t, got, 1)
		check(t, got[0].data)
		assert.Equal(t, []byte{0xab, 0xcd, 0x81, 5}, got[0].data[header:header+4])
		_ = h
	}
}

// fix computes the UDP checksum again.
func fix(p []byte) {
	upper, addrs := 20, p[12:20]
	if p[0]>>4 == 6 {
		upper, addrs = 40, p[8:40]
	}
	p[upper+6], p[upper+7] = 0, 0
	s := ip6.Sum(0).Add(addrs).Word(uint16(len(p) - upper)).Word(protoUDP).Add(p[upper:])
	binary.BigEndian.PutUint16(p[upper+6:], s.Checksum())
}

// TestRateLimits: port unreachable as Linux sends it: six at once, then one a
// second (IPv4) or ten (IPv6).
func TestRateLimits(t *testing.T) {
	w := world(t, calm())
	for _, a := range []netip.Addr{sample(t, 4, 1)[0], sample(t, 6, 1)[0]} {
		p := probeOf(t, a, 100, 64, 33434, true)
		n := 0
		for i := range 40 {
			n += len(w.ask(time.Duration(i)*10*time.Millisecond, p))
		}
		want := 6
		if a.Is6() {
			want = 9
		}
		assert.Equal(t, want, n)
		assert.Len(t, w.ask(time.Minute, p), 1)
	}
}

// TestReverse: an IPv4 echo reply lacks DF and is fragmented; an IPv6 one is lost.
func TestReverse(t *testing.T) {
	c := calm()
	c.Reverse = 1
	w := world(t, c)
	seen := map[int]int{}
	for _, a := range append(sample(t, 4, 200), sample(t, 6, 200)...) {
		h := w.Host(a)
		if h.Reverse >= h.MTU {
			continue
		}
		seen[h.Family]++
		sent := probeOf(t, a, h.MTU, 64, 0, true)
		got := w.ask(0, sent)
		if h.Family == 6 {
			require.Empty(t, got)
			require.Equal(t, h.Reverse, h.Visible("icmp"))
			continue
		}
		require.Greater(t, len(got), 1)
		whole := make([]byte, len(sent)-20)
		id := binary.BigEndian.Uint16(got[0].data[4:])
		for i, f := range got {
			check(t, f.data)
			require.LessOrEqual(t, len(f.data), h.Reverse)
			require.Equal(t, id, binary.BigEndian.Uint16(f.data[4:]))
			field := binary.BigEndian.Uint16(f.data[6:])
			require.Equal(t, i < len(got)-1, field&0x2000 != 0)
			copy(whole[int(field&0x1fff)*8:], f.data[20:])
		}
		require.Equal(t, uint16(0xffff), ip6.Sum(0).Add(whole).Fold())
		require.Equal(t, sent[24:], whole[4:])
		require.Equal(t, h.MTU, h.Visible("icmp"))
	}
	assert.Greater(t, seen[4], 10)
	assert.Greater(t, seen[6], 10)
}

// TestBehaviours: filtered, lying and double bottlenecks, hosts that don't exist.
func TestBehaviours(t *testing.T) {
	c := calm()
	c.Filtered, c.Lying, c.Double, c.ShortQuote, c.Exists, c.Unreachable = 0.3, 0.3, 0.5, 0.5, 0.7, 0.5
	w := world(t, c)
	seen := map[string]int{}
	for _, a := range append(sample(t, 4, 400), sample(t, 6, 400)...) {
		h := w.Host(a)
		upper := 20
		if a.Is6() {
			upper = 40
		}
		if !h.Exists {
			got := w.ask(time.Duration(len(seen))*time.Hour, probeOf(t, a, 100, 64, 0, true))
			if !h.Unreachable {
				require.Empty(t, got)
				seen["silent"]++
			} else if len(got) > 0 {
				check(t, got[0].data)
				seen["unreachable"]++
			}
		}
		if h.MTU == 1500 {
			continue
		}
		claim := func(size int) (int, int) {
			got := w.ask(0, probeOf(t, a, size, 64, 0, true))
			if len(got) == 0 {
				return -1, 0
			}
			p := got[0].data
			check(t, p)
			if a.Is4() {
				return int(binary.BigEndian.Uint16(p[26:])), len(p)
			}
			return int(binary.BigEndian.Uint32(p[44:])), len(p)
		}
		if h.Wider != 0 {
			m, _ := claim(1500)
			require.Equal(t, h.Wider, m)
			seen["double"]++
		}
		m, length := claim(h.MTU + 1)
		switch h.PTB {
		case PTBFiltered:
			require.Equal(t, -1, m)
		case PTBLying:
			require.Equal(t, h.Claim, m)
			require.NotEqual(t, h.MTU, m)
		default:
			require.Equal(t, h.MTU, m)
		}
		if h.ShortQuot && m >= 0 {
			require.Equal(t, upper+8+20+8, length)
			seen["short"]++
		}
		seen[h.PTB]++
	}
	for _, what := range []string{"silent", "unreachable", "double", "short", PTBFiltered, PTBLying, PTBDelivered} {
		assert.NotZero(t, seen[what], what)
	}
}

func TestLoss(t *testing.T) {
	c := calm()
	c.Loss = 0.1
	w := world(t, c)
	a := sample(t, 4, 1)[0]
	p := probeOf(t, a, 100, 64, 0, true)
	n := 0
	const all = 20000
	for range all {
		n += len(w.ask(0, p))
	}
	assert.InDelta(t, 0.9*0.9, float64(n)/all, 0.02)
}

func TestConfigErrors(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"edge is 100":   func(c *Config) { c.Edge = 100 },
		"loss is 2":     func(c *Config) { c.Loss = 2 },
		"mtu4 is empty": func(c *Config) { c.MTU4 = nil },
		"mtu6 is":       func(c *Config) { c.MTU6 = []Share{{10, 20, 1}} },
		"delay is":      func(c *Config) { c.DelayMost = time.Hour },
		"filtered + ly": func(c *Config) { c.Filtered, c.Lying = 0.6, 0.6 },
	} {
		c := Default()
		change(&c)
		_, err := New(c)
		assert.ErrorContains(t, err, want)
	}
}

// FuzzHandle: whatever arrives, what comes back is well-formed, and never an
// answer to a broken packet.
func FuzzHandle(f *testing.F) {
	for _, a := range []netip.Addr{sample(f, 4, 1)[0], sample(f, 6, 1)[0]} {
		for _, port := range []int{0, 53, 443, 33434} {
			f.Add(probeOf(f, a, 1280, 64, port, true), uint64(1))
			f.Add(probeOf(f, a, 100, 2, port, true), uint64(2))
		}
	}
	c := Default()
	c.Loss = 0
	w := world(f, c)
	f.Fuzz(func(t *testing.T, p []byte, seed uint64) {
		w.cfg.Seed = seed
		for _, got := range w.ask(0, p) {
			if p[0]>>4 == 4 || p[6] != 0 {
				check(t, got.data)
			}
			require.LessOrEqual(t, got.delay, c.DelayMost)
		}
	})
}

func BenchmarkHandle(b *testing.B) {
	w := world(b, Default())
	for name, size := range map[string]int{"100": 100, "1500": 1500} {
		var packets [][]byte
		for _, a := range append(sample(b, 4, 500), sample(b, 6, 500)...) {
			packets = append(packets, probeOf(b, a, size, 64, 0, true))
		}
		b.Run(name, func(b *testing.B) {
			q := &Queue{}
			b.ReportAllocs()
			for i := range b.N {
				q.Advance(time.Duration(i) * 50 * time.Microsecond)
				w.Handle(q.now, packets[i%len(packets)], q)
				for {
					if _, ok := q.Pop(); !ok {
						break
					}
				}
			}
		})
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
