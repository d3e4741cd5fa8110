package router

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/truncate"
)

// strict turns everything on that looks into packets.
func strict(c *Config) {
	for i := range c.Ports {
		c.Ports[i].Truncate = true
		c.Ports[i].Policy.ActionBits = true
		c.Ports[i].Policy.DropMalformed = true
		c.Ports[i].Policy.Options[0x1e] = Report
	}
}

// seeds are packets that reach every part of the router.
func seeds(t testing.TB) [][]byte {
	pm := minPMTU(9000, 1400, true)
	return [][]byte{
		udp(t, 100),
		udp(t, 200, pm),
		udp(t, 200, opt(0x1e, 4), pm, pm),
		udp(t, 1600, opt(0xde, 4), pm),
		packet(t, hostA, hostB, 1600, ip6.ProtoDestOpts, opt(truncate.DefaultCodes.Eligible, 0)),
		packet(t, hostA, hostB, 1600, ip6.ProtoDestOpts, opt(truncate.DefaultCodes.Enhanced, 3)),
		packet(t, hostB, hostA, 1600, ip6.ProtoHopByHop, opt(5, 2), pm),
	}
}

// checkVerdict holds for every packet, however broken.
func checkVerdict(t testing.TB, r *Router, v Verdict, n int) {
	switch v.Action {
	case Forward:
		p, err := ip6.Parse(v.Packet)
		if err != nil || len(p) != len(v.Packet) || len(p) > n || len(p) > r.MTU(v.Out) {
			t.Fatalf("forwarded %d of %d bytes over a link of %d: %v", len(v.Packet), n, r.MTU(v.Out), err)
		}
	case Drop, Deliver:
		if v.Packet != nil {
			t.Fatal("a packet to send without Forward")
		}
	}
	if len(v.ICMP) > 0 {
		p, err := ip6.Parse(v.ICMP)
		if err != nil || len(p) > ip6.MinMTU || p.Checksum(ip6.Limits{}) != ip6.ChecksumGood || !v.ICMPNext.IsValid() {
			t.Fatalf("bad ICMPv6 error: %v, %d bytes to %v", err, len(v.ICMP), v.ICMPNext)
		}
		if e, err := ip6.ParseErrorPacket(p, ip6.Limits{}); err != nil || len(e.Quote) > n {
			t.Fatalf("bad ICMPv6 error: %v", err)
		}
	}
	if v.Reason >= ReasonCount {
		t.Fatalf("reason %d", v.Reason)
	}

}

func FuzzForward(f *testing.F) {
	for _, s := range seeds(f) {
		f.Add(s, false)
		f.Add(s[:len(s)/2], true)
	}
	lenient, harsh := newRouter(f, nil), newRouter(f, strict)
	// The same policy as lenient's, yet every header is walked.
	walking := newRouter(f, func(c *Config) {
		c.Ports[0].Policy.Limits.Headers, c.Ports[1].Policy.Limits.Headers = 8, 8
	})
	now := t0
	f.Fuzz(func(t *testing.T, b []byte, second bool) {
		in := 0
		if second {
			in = 1
		}
		now = now.Add(time.Second)
		for _, r := range []*Router{lenient, harsh} {
			pkt := append([]byte(nil), b...)
			checkVerdict(t, r, r.Forward(pkt, in, now), len(b))
			r.Unreachable(append([]byte(nil), b...), in, now)
		}
		// The short cut for the common header decides as the walk does.
		x, y := append([]byte(nil), b...), append([]byte(nil), b...)
		lenient.counter, walking.counter = Counters{}, Counters{}
		lenient.Forward(x, in, now)
		walking.Forward(y, in, now)
		if !bytes.Equal(x, y) || lenient.counter.MinPMTU != walking.counter.MinPMTU {
			t.Fatalf("short cut %x %+v\nwalk      %x %+v", x, lenient.counter.MinPMTU, y, walking.counter.MinPMTU)
		}
	})
}

// Every truncated prefix of good packets fails cleanly: the header's length
// no longer matches.
func TestTruncatedPrefixes(t *testing.T) {
	r := newRouter(t, strict)
	for _, s := range seeds(t) {
		for n := range s {
			v := r.Forward(append([]byte(nil), s[:n]...), 0, t0)
			require.Equal(t, BadHeader, v.Reason, "%d of %d bytes", n, len(s))
		}
	}
}

// A router under a million malformed packets keeps forwarding, and its memory
// doesn't grow.
func TestMillionMalformedPackets(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	r := newRouter(t, strict)
	rnd := rand.New(rand.NewPCG(9268, 9673))
	good := seeds(t)
	buf := make([]byte, 2048)
	plain := udp(t, 200, minPMTU(9000, 0, true))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	now, passed := t0, 0
	for i := range n {
		now = now.Add(time.Microsecond)
		s := good[rnd.IntN(len(good))]
		p := buf[:copy(buf, s)]
		switch rnd.IntN(4) {
		case 0: // noise in the header chain
			for range 1 + rnd.IntN(8) {
				p[rnd.IntN(min(len(p), 80))] = byte(rnd.Uint32())
			}
		case 1: // cut, with a length that matches
			p = p[:40+rnd.IntN(40)]
			p[4], p[5] = 0, byte(len(p)-40)
		case 2: // all options are noise
			for j := 40; j < 72; j++ {
				p[j] = byte(rnd.Uint32())
			}
		case 3: // a header that claims too much
			p[41] = byte(rnd.Uint32())
		}
		in := rnd.IntN(2)
		checkVerdict(t, r, r.Forward(p, in, now), len(p))
		if i%1000 == 0 {
			good := buf[:copy(buf, plain)]
			if v := r.Forward(good, 0, now); v.Action == Forward && v.Packet[44] == 1500>>8 {
				passed++
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	assert.Equal(t, n/1000, passed, "good packets go on being forwarded and rewritten")
	assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(1<<20), "heap growth in bytes")
	c := r.Counters()
	var total uint64
	for _, x := range c.Reasons {
		total += x
	}
	assert.EqualValues(t, n+n/1000, total, "every packet has one reason")
	assert.LessOrEqual(t, c.ICMPSent[1]+c.ICMPSent[3]+c.ICMPSent[4], uint64(50+100*2), "errors stay in their budget: one second passed")
	t.Logf("%d packets: %v", n, c)
}

func TestForwardAllocatesNothing(t *testing.T) {
	r := newRouter(t, func(c *Config) { strict(c); c.Ports[1].Policy.Options[0x1e] = Skip })
	for i, s := range append(seeds(t), udp(t, 40+8), []byte{1}) {
		buf := make([]byte, len(s))
		now := t0
		n := testing.AllocsPerRun(200, func() {
			copy(buf, s)
			now = now.Add(time.Second)
			r.Forward(buf, 0, now)
		})
		assert.Zero(t, n, "packet %d", i)
	}
}

func BenchmarkForward(b *testing.B) {
	for _, tc := range []struct {
		name string
		pkt  []byte
	}{
		{"plain80", udp(b, 80)},
		{"minpmtu80", udp(b, 80, minPMTU(9000, 0, true))},
		{"minpmtu1280", udp(b, 1280, minPMTU(9000, 0, true))},
		{"toobig", udp(b, 1501)},
	} {
		b.Run(tc.name, func(b *testing.B) {
			r := newRouter(b, nil)
			buf := make([]byte, len(tc.pkt))
			b.ReportAllocs()
			for b.Loop() {
				copy(buf, tc.pkt[:min(len(tc.pkt), 80)])
				r.Forward(buf, 0, t0)
			}
		})
	}
}
