package udpecho

import (
	"hash/maphash"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpsock"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	peer6 = netip.MustParseAddrPort("[2001:db8::1]:5000")
	peer4 = netip.MustParseAddrPort("192.0.2.1:5000")
)

func anyFamily(netip.Addr) bool { return true }

// bench is an engine with a clock that the test turns, and a peer that answers
// what its path carries.
type bench struct {
	*engine
	t      testing.TB
	now    time.Time
	tokens uint64
	mtu    int  // of the path, in bytes of IP packet
	layer  bool // whether the peer answers
	reads  int  // the peer's buffer
	probes []int
	told   []Change
}

func newBench(t testing.TB, cfg Config) *bench {
	cfg, err := cfg.normalise()
	require.NoError(t, err)
	b := &bench{t: t, now: start, mtu: 1420, layer: true, reads: maxPayload}
	b.engine = newEngine(cfg, func() uint64 { b.tokens += 7; return b.tokens }, maphash.MakeSeed(), anyFamily)
	return b
}

// step does what is due now, and answers.
func (b *bench) step() {
	for _, o := range b.poll(b.now, nil) {
		if o.look {
			b.hop(b.now, o.to, 1500)
			continue
		}
		size := o.size + udpsock.FamilyOf(o.to.Addr()).Overhead()
		b.probes = append(b.probes, size)
		if b.layer && size <= b.mtu {
			got := min(o.size, b.reads)
			b.received(b.now.Add(10*time.Millisecond), o.to, header{kind: answerKind, length: got, token: o.token}, headerLen)
		}
	}
	b.now = b.now.Add(10 * time.Millisecond)
	b.told = append(b.told, b.changes()...)
}

// run turns the clock from event to event, for a time, while the application
// sends to the peer once a second.
func (b *bench) run(to netip.AddrPort, d time.Duration) {
	end := b.now.Add(d)
	nextSend := b.now
	for b.now.Before(end) {
		if !b.now.Before(nextSend) {
			b.sent(b.now, to)
			nextSend = b.now.Add(time.Second)
		}
		b.step()
		at := b.nextAt(b.now)
		if at.IsZero() || at.After(nextSend) {
			at = nextSend
		}
		if at.After(b.now) {
			b.now = at
		}
	}
}

func (b *bench) maxMTU(to netip.AddrPort) int {
	return b.peers[to].maxPayload() + udpsock.FamilyOf(to.Addr()).Overhead()
}

// D3-3, D6.1.4, D4.2: connectivity is checked with the least probe first, then
// BASE, then the search finds the path MTU.
func TestEngineFindsThePathMTU(t *testing.T) {
	for _, to := range []netip.AddrPort{peer4, peer6} {
		for _, mtu := range []int{1280, 1350, 1420, 1492, 1500} {
			b := newBench(t, Config{})
			b.mtu = mtu
			b.run(to, 10*time.Minute)
			assert.InDelta(t, mtu, b.maxMTU(to), 1500*0.002, "%v", b.probes)
			assert.LessOrEqual(t, b.maxMTU(to), mtu)
			o := udpsock.FamilyOf(to.Addr()).Overhead()
			base := map[bool]int{true: DefaultBase4, false: 1280}[to.Addr().Is4()]
			require.Greater(t, len(b.probes), 2)
			assert.Equal(t, []int{headerLen + o, base}, b.probes[:2])
			for _, c := range b.told {
				assert.NotEqual(t, c.Old, c.New)
			}
			if mtu == base {
				assert.Empty(t, b.told, "nothing changed")
				continue
			}
			require.NotEmpty(t, b.told)
			assert.Equal(t, b.peers[to].maxPayload(), b.told[len(b.told)-1].New)
		}
	}
}

// U3.3: a peer without this layer gets three small datagrams, then ever fewer,
// and nothing large.
func TestEngineAndAPeerWithoutTheLayer(t *testing.T) {
	b := newBench(t, Config{})
	b.layer = false
	b.run(peer6, time.Hour)
	assert.Equal(t, 1280, b.maxMTU(peer6))
	assert.Empty(t, b.told)
	assert.True(t, b.peers[peer6].silent(b.cfg.MaxProbes))
	assert.LessOrEqual(t, len(b.probes), 3*11, "bursts of three, at pauses of 1, 2, 4, 8, 10, 10... minutes")
	for _, size := range b.probes {
		assert.Equal(t, headerLen+48, size)
	}
	// It is updated, and answers the next greeting; or it probes us itself.
	b.layer = true
	b.received(b.now, peer6, header{kind: probeKind, length: headerLen, token: 1}, headerLen)
	b.run(peer6, 5*time.Minute)
	assert.InDelta(t, 1420, b.maxMTU(peer6), 3)
}

// D6.1.5, D4.3-1: without any ICMP message, the confirmation timer finds out
// that the path has shrunk; the raise timer, that it has grown (D5.1.1-3).
func TestEngineFollowsThePath(t *testing.T) {
	b := newBench(t, Config{})
	b.run(peer4, 5*time.Minute)
	require.InDelta(t, 1420, b.maxMTU(peer4), 3)
	b.mtu = 1280
	b.run(peer4, 8*time.Minute)
	assert.InDelta(t, 1280, b.maxMTU(peer4), 3, "%v", b.probes)
	assert.LessOrEqual(t, b.maxMTU(peer4), 1280)
	b.mtu = 1500
	b.run(peer4, 15*time.Minute)
	assert.Equal(t, 1500, b.maxMTU(peer4), "%v", b.probes)
}

// A peer that vanishes: ERROR, then DISABLED, then greetings; when it is back,
// everything begins again.
func TestEngineWhenThePeerVanishes(t *testing.T) {
	b := newBench(t, Config{})
	b.run(peer4, 5*time.Minute)
	b.layer = false
	b.run(peer4, 10*time.Minute)
	assert.Equal(t, greeting, b.peers[peer4].stage)
	assert.Equal(t, DefaultMin4, b.maxMTU(peer4))
	b.layer = true
	b.run(peer4, 30*time.Minute)
	assert.InDelta(t, 1420, b.maxMTU(peer4), 3)
}

// D4.3-2: nobody is probed when the application is silent.
func TestEngineIsSilentWithTheApplication(t *testing.T) {
	b := newBench(t, Config{})
	b.run(peer4, 5*time.Minute)
	n := len(b.probes)
	for range 1000 {
		b.now = b.now.Add(time.Minute)
		b.step()
	}
	assert.LessOrEqual(t, len(b.probes)-n, 1)
	assert.True(t, b.nextAt(b.now).IsZero(), "no wake-ups either")
	assert.True(t, b.sent(b.now, peer4), "but when the application goes on, there is something to do")
	b.run(peer4, time.Minute)
	assert.Greater(t, len(b.probes)-n, 1)
}

// D3-5b: the peer's application reads no more than 1300 bytes at once.
func TestEngineRespectsThePeersBuffer(t *testing.T) {
	b := newBench(t, Config{})
	b.reads, b.mtu = 1300, 1500
	b.run(peer6, 5*time.Minute)
	assert.Equal(t, 1300, b.peers[peer6].maxPayload(), "%v", b.probes)
}

// D4.1-3, D3-f, D3-e: answers count once, for their own probe, from its peer.
func TestEngineStrayAnswers(t *testing.T) {
	b := newBench(t, Config{})
	b.sent(b.now, peer4)
	b.sent(b.now, peer6)
	out := b.poll(b.now, nil)
	require.Len(t, out, 2)
	if out[0].to != peer4 {
		out[0], out[1] = out[1], out[0]
	}
	answer := header{kind: answerKind, length: headerLen, token: out[0].token}
	for i, stray := range []struct {
		from netip.AddrPort
		h    header
	}{
		{peer6, answer}, // another peer's token
		{netip.MustParseAddrPort("192.0.2.1:5001"), answer},                           // another port
		{peer4, header{kind: answerKind, length: headerLen, token: 12345}},            // a guess
		{peer4, header{kind: answerKind, length: headerLen + 1, token: out[0].token}}, // more than was sent
		{peer4, header{kind: answerKind, length: headerLen, token: 0}},                // an empty slot
	} {
		b.received(b.now, stray.from, stray.h, headerLen)
		assert.EqualValues(t, i+1, b.stats.Stray)
		assert.Equal(t, greeting, b.peers[peer4].stage)
	}
	b.received(b.now, peer4, answer, headerLen)
	assert.Equal(t, looking, b.peers[peer4].stage)
	b.received(b.now, peer4, answer, headerLen)
	assert.EqualValues(t, 6, b.stats.Stray, "a duplicate")

	// An own probe that comes back, from a service that echoes everything.
	_, reply := b.received(b.now, peer6, header{kind: probeKind, length: headerLen, token: out[1].token}, headerLen)
	assert.False(t, reply)
	assert.EqualValues(t, 1, b.stats.Reflected)
	_, reply = b.received(b.now, peer6, header{kind: 9, length: headerLen, token: 1}, headerLen)
	assert.False(t, reply)
	assert.EqualValues(t, 1, b.stats.Malformed)
}

// D6.1.1, D3-3: an answer says what was received, to whoever sent the probe,
// and there are not too many of them.
func TestResponder(t *testing.T) {
	b := newBench(t, Config{AnswersPerSecond: 100})
	answer, reply := b.received(b.now, peer4, header{kind: probeKind, length: 1400, token: 5}, 1300)
	assert.True(t, reply)
	assert.Equal(t, header{kind: answerKind, length: 1300, token: 5}, answer)
	assert.Empty(t, b.peers, "a stranger's probe leaves no state")
	answered := func(from func(i int) netip.AddrPort) (n int) {
		for i := range 1000 {
			if _, ok := b.received(b.now, from(i), header{kind: probeKind, length: 100, token: uint64(i)}, 100); ok {
				n++
			}
		}
		return n
	}
	assert.Equal(t, answerBurst-1, answered(func(i int) netip.AddrPort { return netip.AddrPortFrom(peer4.Addr(), uint16(i)) }), "one host, many ports")
	b.now = b.now.Add(time.Second)
	assert.LessOrEqual(t, answered(func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1)
	}), 100, "many hosts")
	assert.EqualValues(t, 2001-b.stats.Answered, b.stats.Limited)
}

// D4.6.2-1, D3-6c, D6.1.6-2: what ICMP says lowers, and never raises.
func TestEngineNotices(t *testing.T) {
	ptb := func(to netip.AddrPort, mtu int) udpsock.Notice {
		return udpsock.Notice{Kind: udpsock.TooBig, MTU: mtu, Sent: udpsock.Sent{Dst: to, Size: 9000}}
	}
	b := newBench(t, Config{})
	b.run(peer4, 5*time.Minute)
	before := b.maxMTU(peer4)
	b.notice(b.now, ptb(peer4, before+10))
	assert.Equal(t, before, b.maxMTU(peer4))
	b.notice(b.now, ptb(peer4, 1300))
	assert.Equal(t, DefaultBase4, b.maxMTU(peer4))
	b.mtu = 1300
	b.run(peer4, 5*time.Minute)
	assert.Equal(t, 1300, b.maxMTU(peer4))

	// Of a peer that does not answer, less is assumed, down to MIN_PLPMTU.
	b.layer = false
	b.run(peer6, time.Minute)
	b.notice(b.now, ptb(peer6, 1500))
	assert.Equal(t, 1280, b.maxMTU(peer6))
	other := netip.MustParseAddrPort("192.0.2.2:5000")
	b.sent(b.now, other)
	b.notice(b.now, ptb(other, 575))
	assert.Equal(t, DefaultBase4, b.maxMTU(other))
	b.notice(b.now, ptb(other, 600))
	assert.Equal(t, 600, b.maxMTU(other))

	// The own interface is certain: for all peers behind that address.
	b.notice(b.now, udpsock.Notice{Kind: udpsock.LocalTooBig, MTU: 1290, Sent: udpsock.Sent{Dst: netip.AddrPortFrom(peer4.Addr(), 0)}})
	assert.LessOrEqual(t, b.maxMTU(peer4), 1290)
}

// What others have to say about the path can be told as well, once the peer
// answers; it may lower, or aim, and does not raise.
func TestEngineHints(t *testing.T) {
	b := newBench(t, Config{RaiseInterval: time.Hour})
	assert.False(t, b.hint(b.now, peer6, plpmtud.Hint{Source: plpmtud.HopByHop, MTU: 1300}), "unknown")
	b.sent(b.now, peer6)
	assert.False(t, b.hint(b.now, peer6, plpmtud.Hint{Source: plpmtud.HopByHop, MTU: 1300}), "not answering yet")
	b.run(peer6, 5*time.Minute)
	require.InDelta(t, 1420, b.maxMTU(peer6), 3)
	b.mtu = 1464
	before := b.maxMTU(peer6)
	assert.True(t, b.hint(b.now, peer6, plpmtud.Hint{Source: plpmtud.HopByHop, MTU: 1464}))
	assert.Equal(t, before, b.maxMTU(peer6))
	b.run(peer6, time.Minute)
	assert.Equal(t, 1464, b.maxMTU(peer6))
}

// A refused probe is a local answer: SetMax, no loss.
func TestEngineTooLong(t *testing.T) {
	b := newBench(t, Config{})
	b.mtu = 1500
	b.run(peer4, 5*time.Minute)
	require.Equal(t, 1500, b.maxMTU(peer4))
	b.tooLong(b.now, peer4, 1472, 1400)
	assert.Equal(t, 1400, b.maxMTU(peer4))
	b.tooLong(b.now, peer4, 1372, 0)
	assert.Equal(t, 1399, b.maxMTU(peer4))
	b.tooLong(b.now, netip.MustParseAddrPort("192.0.2.77:1"), 1372, 0)
}

// D5.2-1: one machine for each path, and not too many.
func TestEngineBoundsItsPeers(t *testing.T) {
	b := newBench(t, Config{MaxPeers: 8})
	b.run(peer4, 5*time.Minute)
	b.layer = false
	for i := range 1000 {
		b.sent(b.now, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1))
		b.step()
	}
	assert.Len(t, b.peers, 8)
	assert.Contains(t, b.peers, peer4, "those that answer are kept")
	assert.LessOrEqual(t, b.stats.Greetings, uint64(2*greetingsPerSecond+greetingsPerSecond*11), "1000 steps of 10 ms")
	for _, to := range []string{"224.0.0.1:5", "[ff02::1]:5", "192.0.2.1:0"} {
		assert.False(t, b.sent(b.now, netip.MustParseAddrPort(to)))
		assert.NotContains(t, b.peers, netip.MustParseAddrPort(to))
	}
	assert.False(t, b.sent(b.now, netip.AddrPort{}))
}

// D3-2b: no probe goes where datagrams may be fragmented.
func TestEngineIsMuteWithoutDF(t *testing.T) {
	b := newBench(t, Config{})
	b.mayProbe = func(a netip.Addr) bool { return a.Is6() }
	b.run(peer4, time.Hour)
	assert.Empty(t, b.probes)
	b.run(peer6, time.Minute)
	assert.NotEmpty(t, b.probes)
}

// D5.1.1-4: with an application that knows, there is no confirmation, and a
// black hole is what the application says.
func TestEngineWithAnApplicationThatKnows(t *testing.T) {
	b := newBench(t, Config{AppAcks: true, RaiseInterval: time.Hour})
	b.run(peer4, 9*time.Minute)
	require.InDelta(t, 1420, b.maxMTU(peer4), 3)
	n := len(b.probes)
	require.Equal(t, plpmtud.SearchComplete, b.peers[peer4].state())
	b.run(peer4, 4*time.Minute)
	assert.Len(t, b.probes, n, "no confirmation")
	b.mtu = 1250
	for range 200 {
		b.now = b.now.Add(20 * time.Millisecond)
		b.undelivered(b.now, peer4, 1390, b.now.Add(-15*time.Millisecond))
		b.delivered(b.now, peer4, 100, b.now.Add(-10*time.Millisecond))
		b.sent(b.now, peer4)
		b.step()
	}
	assert.LessOrEqual(t, b.maxMTU(peer4), 1250)
}

// Whatever arrives from whomever, nothing but an answer with the token of a
// probe raises what may be sent.
func FuzzReceived(f *testing.F) {
	f.Add([]byte{2, 1, 0, 5, 9}, uint64(7))
	f.Fuzz(func(t *testing.T, script []byte, token uint64) {
		b := newBench(t, Config{MaxPeers: 3})
		b.sent(b.now, peer4)
		b.sent(b.now, peer6)
		issued := map[uint64]bool{}
		for _, o := range b.poll(b.now, nil) {
			issued[o.token] = true
		}
		if issued[token] {
			return
		}
		for i, op := range script {
			from := []netip.AddrPort{peer4, peer6, netip.MustParseAddrPort("192.0.2.9:9")}[op%3]
			h := header{kind: kind(op >> 6), length: int(op) * 256, token: token + uint64(i)}
			if issued[h.token] {
				continue
			}
			b.received(b.now, from, h, headerLen+int(op%2))
		}
		require.Empty(t, b.changes())
		require.Len(t, b.peers, 2)
	})
}

func TestEngineConfig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.Just(0), rapid.IntRange(-1, 70000), rapid.IntRange(1200, 1500))
		cfg, err := Config{Min: size.Draw(t, "min"), Base: size.Draw(t, "base"), Max: size.Draw(t, "max")}.normalise()
		if err != nil {
			return
		}
		for _, f := range []udpsock.Family{udpsock.IPv4, udpsock.IPv6} {
			hop := rapid.SampledFrom([]int{0, 68, 576, 1280, 1500, 9000, 65536}).Draw(t, "hop")
			least, base, most := cfg.limits(f, hop)
			if least < headerLen-f.Overhead() || least > base || base > most || most > 65535-f.Overhead() {
				t.Fatalf("%v, hop %d: %d, %d, %d", f, hop, least, base, most)
			}
			if hop > 100 && most > hop-f.Overhead() || cfg.Max > 100 && most > cfg.Max-f.Overhead() {
				t.Fatalf("%v, hop %d: %d is too large", f, hop, most)
			}
			if _, err := plpmtud.New(cfg.path(f, hop)); err != nil {
				t.Fatalf("%v, hop %d: %v", f, hop, err)
			}
		}
	})
	for field, cfg := range map[string]Config{
		"Key":              {Key: []byte("short")},
		"Min":              {Min: 67},
		"Base":             {Min: 1300, Base: 1200},
		"Max":              {Base: 1300, Max: 1200},
		"MaxPeers":         {MaxPeers: -1},
		"AnswersPerSecond": {AnswersPerSecond: -1},
		"IdleAfter":        {IdleAfter: -1},
		"ProbeTimeout":     {ProbeTimeout: time.Millisecond},
		"ConfirmInterval":  {AppAcks: true, ConfirmInterval: time.Second},
		"MaxProbes":        {MaxProbes: 99},
	} {
		_, err := cfg.normalise()
		var ce *plpmtud.ConfigError
		require.ErrorAs(t, err, &ce, field)
		assert.Equal(t, field, ce.Field)
	}
}
