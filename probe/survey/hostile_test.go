package survey

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab/internet"
	"pathmtu/results"
)

// noChance is an Internet in which the results of a survey depend on nothing
// but the answers.
func noChance() internet.Config {
	w := internet.Default()
	w.Loss, w.EchoLimited, w.PTBLimited = 0, 0, 0
	return w
}

func pmtus(s *sim) map[netip.Addr]Final {
	out := map[netip.Addr]Final{}
	for a, f := range s.finals {
		f.Began, f.Elapsed, f.RTT, f.Bytes, f.Index = time.Time{}, 0, 0, 0, 0
		out[a] = f
	}
	return out
}

// TestHostile: beside each true answer come forged, truncated, changed and
// repeated ones; no result changes.
func TestHostile(t *testing.T) {
	set := setOf(t, targetsOf(t, 4, 150), targetsOf(t, 6, 150))
	for _, method := range []Kind{ICMP, UDP} {
		c := Config{Methods: []Kind{method}, Attribution: "https://example.net/probing"}
		honest := newSim(t, noChance(), c, set)
		honest.run()
		r := rand.New(rand.NewPCG(1, 2))
		hostile := newSim(t, noChance(), c, set)
		hostile.mangle = func(p []byte) [][]byte {
			if p[0]>>4 == 4 && binary.BigEndian.Uint16(p[6:])&0x3fff != 0 {
				return [][]byte{p} // fragments are the kernel's matter
			}
			out := [][]byte{p, p} // twice: the network may do that
			header := 20
			if p[0]>>4 == 6 {
				header = 40
			}
			for range 3 { // one bit of the message is another
				q := append([]byte(nil), p...)
				bit := r.IntN(8 * (min(len(q), 200) - header))
				q[header+bit/8] ^= 1 << (bit % 8)
				if evident(q, header, bit) {
					out = append(out, q)
				}
			}
			q := append([]byte(nil), p[:header+r.IntN(len(p)-header)]...) // cut short
			return append(out, q)
		}
		hostile.run()
		require.Equal(t, pmtus(honest), pmtus(hostile), method)
	}
}

// evident says whether a changed bit is one that a receiver can notice. The
// checksum of an answer is the kernel's matter, type and code are covered by
// nothing else, and so is the MTU that a router names, and its quoted TTL: a
// change on the way, or a lying router.
func evident(p []byte, header, bit int) bool {
	at := bit / 8
	switch {
	case p[header] == 0 || p[header] == 129:
		return at >= 8+28 && at < 8+28+tokenLen // the token
	}
	token := 8 + header + 8 + 28 // the quoted IP header is as long as this one's
	if at >= token && at < token+tokenLen {
		return true
	}
	return at >= 8+header-8 && at < 8+header // an address of the quote
}

// TestForged: an attacker off the path, who knows everything but the key, floods
// a survey with answers of every kind about targets in progress.
func TestForged(t *testing.T) {
	set := setOf(t, targetsOf(t, 4, 100), targetsOf(t, 6, 100))
	honest := newSim(t, noChance(), Config{}, set)
	honest.run()
	attacked := newSim(t, noChance(), Config{}, set)
	other := newTokens(Key{9})
	r := rand.New(rand.NewPCG(3, 4))
	var last []Send
	attacked.seen = func(s Send) { last = append(last, s) }
	forge := func() {
		for _, s := range last {
			n := numberOf(s.To)
			for range 20 {
				a := Answer{target: n, from: n, meaning: Meaning(r.IntN(4)), mtu: r.IntN(70000), length: s.Size}
				a.stamp = stamp{uint16(s.Size), uint8(r.IntN(5)), s.Method}
				binary.BigEndian.PutUint64(a.short[:], r.Uint64())
				a.short[0] = 8
				require.False(t, attacked.engine.Receive(attacked.now, &a), "a short quote needs 6 right bytes")
			}
			// A whole message with a token of another key.
			b := []byte{0, 0, 0, 0, 0, 0, 0, 0}
			if !s.To.Is4() {
				b[0] = 129
			}
			b = other.append(b, n, stamp{1500, 1, ICMP})
			_, ok := attacked.reader.ICMP(s.To, b, 1480)
			require.False(t, ok)
			// A genuine token, of another target.
			b = attacked.reader.tokens.append(b[:8], n.next(), stamp{1500, 1, ICMP})
			_, ok = attacked.reader.ICMP(s.To, b, 1480)
			require.False(t, ok)
		}
		last = last[:0]
	}
	for !attacked.engine.Done() {
		attacked.step()
		forge()
	}
	require.Equal(t, pmtus(honest), pmtus(attacked))
	assert.NotZero(t, attacked.engine.Counts().Rejected)
}

// TestOversize: an answer that is longer than the probe, or shorter, is none.
func TestOversize(t *testing.T) {
	r := NewReader(Config{Key: Key{1}})
	a := netip.MustParseAddr("8.8.8.8")
	b := r.tokens.append([]byte{0, 0, 0, 0, 0, 0, 0, 0}, numberOf(a), stamp{1000, 1, ICMP})
	_, ok := r.ICMP(a, b, 980)
	require.True(t, ok)
	for _, n := range []int{979, 981, 65535, len(b), 0, -1} {
		_, ok := r.ICMP(a, b, n)
		assert.False(t, ok, n)
	}
	for n := range b {
		_, ok := r.ICMP(a, b[:n], 980)
		assert.False(t, ok, "prefix of %d bytes", n)
	}
}

// TestRefused: a target, or a firewall, that says no is left alone at once.
func TestRefused(t *testing.T) {
	set := setOf(t, list(t, "10.0.0.1"))
	var finals []Final
	e, err := New(Config{Link4: 1500, Final: func(f Final) { finals = append(finals, f) }}, set, nil, epoch)
	require.NoError(t, err)
	s, ok := e.Poll(epoch, nil)
	require.True(t, ok)
	n := numberOf(s.To)
	require.True(t, e.Receive(epoch.Add(time.Second), &Answer{target: n, from: n, meaning: prohibited, genuine: true, stamp: stamp{uint16(s.Size), 1, ICMP}}))
	require.Len(t, finals, 1)
	assert.Equal(t, results.Refused, finals[0].Verdict)
	assert.Equal(t, 1, finals[0].Sent)
	assert.True(t, e.Done())
	require.NoError(t, finals[0].Record().Validate())
}

// TestContradiction: sizes that pass and fail in turn end as inconsistent, after
// a bounded number of packets.
func TestContradiction(t *testing.T) {
	set := setOf(t, list(t, "10.0.0.1"))
	var finals []Final
	e, err := New(Config{Link4: 1500, Final: func(f Final) { finals = append(finals, f) }}, set, nil, epoch)
	require.NoError(t, err)
	now := epoch
	for range 10000 {
		if s, ok := e.Poll(now, nil); ok {
			n := numberOf(s.To)
			seq := uint8(e.counts.Packets)
			if s.Size > 100 { // refused, and, but for the first, arrived
				e.Receive(now, &Answer{target: n, from: n, meaning: tooBig, genuine: true, stamp: stamp{uint16(s.Size), seq, ICMP}})
			}
			if s.Size == 1500 {
				continue
			}
			e.Receive(now, &Answer{target: n, from: n, meaning: arrived, genuine: true, stamp: stamp{uint16(s.Size), seq, ICMP}})
		}
		if e.Done() {
			break
		}
		now = now.Add(50 * time.Millisecond)
	}
	require.Len(t, finals, 1)
	assert.Equal(t, results.Inconsistent, finals[0].Verdict)
	assert.Zero(t, finals[0].PMTU)
	assert.Less(t, finals[0].Sent, 20)
}

// FuzzReader: whatever arrives, the Reader doesn't panic, and takes nothing for
// genuine without a token.
func FuzzReader(f *testing.F) {
	r := NewReader(Config{Key: Key{1, 2, 3}, LocalPort: simPort})
	for _, a := range []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")} {
		b := r.tokens.append([]byte{0, 0, 0, 0, 0, 0, 0, 0}, numberOf(a), stamp{100, 1, ICMP})
		f.Add(a.AsSlice(), b, 80, uint16(443))
		f.Add(a.AsSlice(), append([]byte{3, 4, 0, 0, 0, 0, 5, 0, 0x45, 0, 0, 100, 0, 0, 0x40, 0, 60, 17, 0, 0, 1, 2, 3, 4, 10, 0, 0, 1}, b...), 100, uint16(53))
		f.Add(a.AsSlice(), append([]byte{2, 0, 0, 0, 0, 0, 5, 0, 0x60, 0, 0, 0, 0, 60, 58, 60}, make([]byte, 60)...), 100, uint16(53))
	}
	f.Fuzz(func(t *testing.T, addr, b []byte, length int, port uint16) {
		from, ok := netip.AddrFromSlice(addr)
		if !ok {
			return
		}
		if a, ok := r.ICMP(from, b, length); ok {
			require.Less(t, a.stamp.method, kinds)
			if a.genuine {
				require.Equal(t, a.stamp, mustOpen(t, r, b, a))
			}
		}
		if a, ok := r.Datagram(netip.AddrPortFrom(from, port), b); ok {
			require.Less(t, a.stamp.method, kinds)
		}
	})
}

// mustOpen finds the token of a genuine answer somewhere in it.
func mustOpen(t *testing.T, r *Reader, b []byte, a Answer) stamp {
	for i := range b {
		if s, ok := r.tokens.open(b[i:], a.target); ok {
			return s
		}
	}
	t.Fatal("there is no token")
	return stamp{}
}
