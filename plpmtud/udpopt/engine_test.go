package udpopt

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/plpmtud"
)

func config(local, remote netip.AddrPort) Config {
	return Config{Enabled: true, Local: local, Remote: remote, Random: rand.Reader,
		Respond: ResponderConfig{Interval: time.Millisecond}}
}

func newEngine(t require.TestingT, c Config) *Engine {
	e, err := New(c)
	require.NoError(t, err)
	return e
}

// wire is a path between two engines on virtual time: it drops what is larger
// than its MTU, and tells the sender so or not.
type wire struct {
	t       require.TestingT
	now     time.Time
	ends    [2]*Engine
	addr    [2]netip.AddrPort
	mtu     int
	ptb     bool
	deaf    bool // the far end knows no UDP Options
	delay   time.Duration
	flying  []flight
	packets [][]byte // all that was sent from end 0
}

type flight struct {
	at  time.Time
	to  int
	p   []byte
	ptb bool
}

func newWire(t require.TestingT, a, b Config, mtu int) *wire {
	return &wire{t: t, now: t0, mtu: mtu, delay: 10 * time.Millisecond,
		ends: [2]*Engine{newEngine(t, a), newEngine(t, b)}, addr: [2]netip.AddrPort{a.Local, b.Local}}
}

func (w *wire) header() int {
	if w.addr[0].Addr().Is4() {
		return 20
	}
	return 40
}

// run lets d go by.
func (w *wire) run(d time.Duration) {
	end := w.now.Add(d)
	for steps := 0; ; steps++ {
		require.Less(w.t, steps, 100_000, "no end")
		for i, e := range w.ends {
			for {
				p, ok := e.Poll(w.now, nil)
				if !ok {
					break
				}
				if i == 0 {
					w.packets = append(w.packets, p)
				}
				w.send(i, p)
			}
		}
		next := end
		for _, e := range w.ends {
			if n := e.Next(w.now); !n.IsZero() && n.Before(next) {
				next = n
			}
		}
		first := -1
		for i, f := range w.flying {
			if !f.at.After(next) && (first < 0 || f.at.Before(w.flying[first].at)) {
				first = i
			}
		}
		if first < 0 {
			if !next.Before(end) {
				w.now = end
				return
			}
			w.now = next
			continue
		}
		f := w.flying[first]
		w.flying = append(w.flying[:first], w.flying[first+1:]...)
		if f.at.After(w.now) {
			w.now = f.at
		}
		w.arrive(f)
	}
}

func (w *wire) send(from int, p []byte) {
	f := flight{at: w.now.Add(w.delay), to: 1 - from, p: p}
	if w.header()+len(p) > w.mtu {
		if !w.ptb {
			return
		}
		f.to, f.ptb = from, true
	}
	w.flying = append(w.flying, f)
}

func (w *wire) arrive(f flight) {
	e := w.ends[f.to]
	if f.ptb {
		e.PTB(w.now, w.mtu, ipPacket(w.addr[f.to], w.addr[1-f.to], f.p))
		return
	}
	if w.deaf && f.to == 1 {
		return
	}
	r := Receive(w.addr[1-f.to].Addr(), w.addr[f.to].Addr(), f.p)
	require.NoError(w.t, r.Err)
	require.Equal(w.t, Deliver, r.Do)
	e.Receive(w.now, r.Options)
}

// ipPacket puts an IP header in front of an IP payload.
func ipPacket(src, dst netip.AddrPort, p []byte) []byte {
	if src.Addr().Is4() {
		h := make([]byte, 20, 20+len(p))
		h[0], h[8], h[9] = 0x45, 64, protoUDP
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(p)))
		h[6] = 0x40
		copy(h[12:], src.Addr().AsSlice())
		copy(h[16:], dst.Addr().AsSlice())
		return append(h, p...)
	}
	h := make([]byte, 40, 40+len(p))
	h[0], h[6], h[7] = 0x60, protoUDP, 64
	binary.BigEndian.PutUint16(h[4:], uint16(len(p)))
	copy(h[8:], src.Addr().AsSlice())
	copy(h[24:], dst.Addr().AsSlice())
	return append(h, p...)
}

func quote(t require.TestingT, src, dst netip.AddrPort, token Token) []byte {
	p, err := AppendDatagram(nil, src, dst, nil, AppendREQ(nil, token), 1400)
	require.NoError(t, err)
	return ipPacket(src, dst, p)
}

// Both ends find the MTU of the path, with PTBs and without, and the search of
// one does not disturb the other's.
func TestDiscovery(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b netip.AddrPort
		mtu  int
		ptb  bool
	}{
		{"IPv4 1500", a4, b4, 1500, true},
		{"IPv4 1420", a4, b4, 1420, true},
		{"IPv4 1420 silent", a4, b4, 1420, false},
		{"IPv4 1280 silent", a4, b4, 1280, false},
		{"IPv6 1500", a6, b6, 1500, true},
		{"IPv6 1420", a6, b6, 1420, true},
		{"IPv6 1420 silent", a6, b6, 1420, false},
		{"IPv6 1280 silent", a6, b6, 1280, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWire(t, config(c.a, c.b), config(c.b, c.a), c.mtu)
			w.ptb = c.ptb
			for _, e := range w.ends {
				e.Start(w.now)
			}
			w.run(5 * time.Minute)
			for _, e := range w.ends {
				assert.Equal(t, plpmtud.SearchComplete, e.State())
				assert.LessOrEqual(t, e.MTU(), c.mtu)
				// The optimal search stops where no known link MTU is left to find.
				assert.GreaterOrEqual(t, float64(e.MTU()), 0.98*float64(c.mtu))
				assert.True(t, e.Answered())
				assert.Zero(t, e.Counters().Strays)
				assert.Equal(t, e.PLPMTU(), e.MPS())
			}
			w.checkProbes()
		})
	}
}

// checkProbes looks at every packet that end 0 sent.
// U4.1-1, U4.1-2: the first is padded to BASE_PLPMTU and carries REQ;
// D3-4a, U4.2-2, U4.2-3, U4.3-2, U4.5-2: so do all the others, without data, each with
// a token of its own (U3.1-2).
func (w *wire) checkProbes() {
	tokens := map[Token]bool{}
	probes := 0
	for _, p := range w.packets {
		r := Receive(w.addr[0].Addr(), w.addr[1].Addr(), p)
		require.Equal(w.t, Deliver, r.Do)
		require.Empty(w.t, r.UserData)
		require.Equal(w.t, uint16(headerLen), r.Length)
		if r.Options.Has(RES) {
			require.False(w.t, r.Options.Has(REQ))
			require.Less(w.t, len(p), 40, "an answer is small")
			continue
		}
		token, ok := r.Options.REQ()
		require.True(w.t, ok)
		require.False(w.t, tokens[token])
		tokens[token] = true
		if probes == 0 {
			require.Equal(w.t, headerLen+w.ends[0].base, len(p))
		}
		probes++
	}
	require.NotZero(w.t, probes)
	require.EqualValues(w.t, probes, w.ends[0].Counters().Probes)
}

// U3-1, U3-2, U3-3: an engine that is not enabled sends nothing, answers
// nothing, and still encodes data.
func TestOffByDefault(t *testing.T) {
	e := newEngine(t, Config{Local: a4, Remote: b4})
	e.Start(t0)
	r := Receive(b4.Addr(), a4.Addr(), mustAppend(t, b4, a4, AppendREQ(nil, 1)))
	e.Receive(t0, r.Options)
	for _, now := range []time.Time{t0, t0.Add(time.Hour)} {
		_, ok := e.Poll(now, nil)
		assert.False(t, ok)
		assert.True(t, e.Next(now).IsZero())
	}
	assert.False(t, e.PTB(t0, 1280, quote(t, a4, b4, 1)))
	assert.Equal(t, Counters{}, e.Counters())
	assert.False(t, e.Enabled())
	p, options, err := e.Data(nil, make([]byte, 3000))
	require.NoError(t, err)
	assert.False(t, options)
	assert.Len(t, p, 3008)
}

func mustAppend(t require.TestingT, src, dst netip.AddrPort, opts []byte) []byte {
	p, err := AppendDatagram(nil, src, dst, nil, opts, 0)
	require.NoError(t, err)
	return p
}

// U3.3: a peer without UDP Options leaves MIN_PLPMTU; it is tried again after
// PMTU_RAISE_TIMER, or when it turns out to know options after all.
func TestPeerWithoutOptions(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b netip.AddrPort
		min  int
		want int
	}{
		{"IPv4", a4, b4, 0, 68 - 28},
		{"IPv4 with a MIN_PLPMTU of the application's", a4, b4, 1200, 1200},
		{"IPv6", a6, b6, 0, 1280 - 48},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := config(c.a, c.b)
			conf.Path.Min = c.min
			w := newWire(t, conf, config(c.b, c.a), 1500)
			w.deaf = true
			e := w.ends[0]
			e.Start(w.now)
			w.run(5 * time.Minute)
			assert.Equal(t, c.want, e.PLPMTU())
			assert.False(t, e.Answered())
			assert.Equal(t, plpmtud.Disabled, e.State())
			quiet := e.Counters().Probes
			assert.LessOrEqual(t, quiet, uint64(6))
			w.run(5 * time.Minute)
			assert.Equal(t, quiet, e.Counters().Probes, "no probe before PMTU_RAISE_TIMER")
			w.run(5 * time.Minute)
			assert.Greater(t, e.Counters().Probes, quiet)

			w.run(10 * time.Minute)
			w.deaf = false
			w.ends[1].Start(w.now) // whose REQs tell that it knows options
			w.run(5 * time.Minute)
			assert.Equal(t, 1500, e.MTU())
			assert.True(t, e.Answered())
		})
	}
}

// U3.1-3: when tokens run out, probing waits rather than reuse one; it is not
// mistaken for loss, and nobody spins meanwhile.
func TestProbesWaitForTokens(t *testing.T) {
	a := config(a4, b4)
	a.Path.ConfirmInterval = 10 * time.Millisecond
	w := newWire(t, a, config(b4, a4), 1500)
	w.delay = time.Millisecond
	e := w.ends[0]
	e.Start(w.now)
	w.run(MSL - time.Second)
	assert.EqualValues(t, maxTokens, e.Counters().Probes)
	next := e.Next(w.now)
	assert.True(t, next.After(w.now), "Next is %v from now", next.Sub(w.now))
	for range 20 {
		w.now = w.now.Add(40 * time.Millisecond)
		_, ok := e.Poll(w.now, nil)
		assert.False(t, ok)
	}
	assert.Equal(t, 1500, e.MTU())
	assert.Equal(t, plpmtud.SearchComplete, e.State())
	w.run(MSL)
	assert.Greater(t, e.Counters().Probes, uint64(maxTokens+100))
	assert.LessOrEqual(t, e.Counters().Probes, uint64(2*maxTokens))
	assert.Equal(t, 1500, e.MTU())
	assert.InDelta(t, float64(e.Counters().Probes), float64(e.Counters().Answers), 1)
}

// A peer that asks but never answers, or whoever forges that, can't make an
// engine that has given up probe again all the time.
func TestRequestsRestartSeldom(t *testing.T) {
	e := newEngine(t, config(a4, b4))
	e.Start(t0)
	now, disabled := t0, 0
	for range 3600 {
		now = now.Add(time.Second)
		for ok := true; ok; {
			_, ok = e.Poll(now, nil)
		}
		if e.State() == plpmtud.Disabled {
			disabled++
		}
		e.Receive(now, Receive(b4.Addr(), a4.Addr(), mustAppend(t, b4, a4, AppendREQ(nil, 1))).Options)
	}
	// A search in vain is 6 probes over 96 s.
	assert.LessOrEqual(t, e.Counters().Probes, uint64(6*3600/96+6))
	assert.NotZero(t, disabled)

	// The same with a machine that gives up faster than that.
	c := config(a4, b4)
	c.Path.ProbeTimeout, c.Path.MaxProbes = time.Second, 1
	e = newEngine(t, c)
	e.Start(t0)
	for now = t0; now.Before(t0.Add(time.Hour)); now = now.Add(100 * time.Millisecond) {
		for ok := true; ok; {
			_, ok = e.Poll(now, nil)
		}
		e.Receive(now, Receive(b4.Addr(), a4.Addr(), mustAppend(t, b4, a4, AppendREQ(nil, 1))).Options)
	}
	assert.LessOrEqual(t, e.Counters().Probes, uint64(2*60+2), "two probes a minute")
	assert.GreaterOrEqual(t, e.Counters().Probes, uint64(2*50))
}

// U4.3-1, U4.3-2: in SEARCH_COMPLETE the PLPMTU is validated again and again, and
// a path that has shrunk in silence is noticed. U4.3-3, U4.5-1: such probes carry
// padding only, which is one of the choices. U3-4: there is no REQ beyond them.
func TestConfirmation(t *testing.T) {
	w := newWire(t, config(a4, b4), config(b4, a4), 1500)
	e := w.ends[0]
	e.Start(w.now)
	w.run(time.Minute)
	require.Equal(t, 1500, e.MTU())
	before := e.Counters()
	w.run(3 * time.Minute)
	confirmed := e.Counters().Answers - before.Answers
	assert.InDelta(t, 6, float64(confirmed), 1, "CONFIRMATION_TIMER is 30 s")
	assert.Equal(t, plpmtud.SearchComplete, e.State())
	for _, p := range w.packets[before.Probes:] {
		assert.Len(t, p, 1480)
		r := Receive(a4.Addr(), b4.Addr(), p)
		assert.True(t, r.Options.Has(REQ))
		assert.Empty(t, r.UserData)
	}
	w.mtu = 1400
	w.run(5 * time.Minute)
	assert.LessOrEqual(t, e.MTU(), 1400)
	assert.GreaterOrEqual(t, e.MTU(), 1372)
}

// U4.2-1: the peer's MDS bounds the search, if it comes with an answer to a token
// of ours; not below BASE_PLPMTU, and not otherwise.
func TestMDS(t *testing.T) {
	start := func(mds uint16) *wire {
		b := config(b4, a4)
		b.MDS = mds
		w := newWire(t, config(a4, b4), b, 1500)
		w.ends[0].Start(w.now)
		w.run(3 * time.Minute)
		return w
	}
	w := start(1372)
	assert.Equal(t, 1372, w.ends[0].PLPMTU())
	assert.Zero(t, w.ends[0].Counters().Probes-w.ends[0].Counters().Answers, "no probe above it was lost")
	assert.Equal(t, 1200, start(300).ends[0].PLPMTU())
	assert.Equal(t, 1472, start(9000).ends[0].PLPMTU())

	w = start(0)
	forged := mustAppend(t, b4, a4, cat(AppendRES(nil, 12345), AppendMDS(nil, 1300)))
	w.ends[0].Receive(w.now, Receive(b4.Addr(), a4.Addr(), forged).Options)
	w.run(3 * time.Minute)
	assert.Equal(t, 1472, w.ends[0].PLPMTU())
	assert.EqualValues(t, 1, w.ends[0].Counters().Strays)
}

// D3-3, U3.1-1, U3.1-5: an engine answers probes, within limits, and echoes the
// last token.
func TestEngineAnswers(t *testing.T) {
	c := config(b4, a4)
	c.Respond = ResponderConfig{}
	e := newEngine(t, c)
	var tokens []Token
	for ms := 0; ms < 5000; ms += 50 {
		now := t0.Add(time.Duration(ms) * time.Millisecond)
		e.Receive(now, Receive(a4.Addr(), b4.Addr(), mustAppend(t, a4, b4, AppendREQ(nil, Token(ms)))).Options)
		require.False(t, e.Next(now).IsZero())
		if p, ok := e.Poll(now, nil); ok {
			token, has := Receive(b4.Addr(), a4.Addr(), p).Options.RES()
			require.True(t, has)
			tokens = append(tokens, token)
		}
	}
	assert.Equal(t, []Token{0, 1000, 2000, 3000, 4000}, tokens)
}

// U4.5-3: an answer goes along with data, if there is room.
func TestAnswerWithData(t *testing.T) {
	c := config(b4, a4)
	c.Respond.Interval = time.Hour
	e := newEngine(t, c)
	ask := func(token Token) {
		e.Receive(t0, Receive(a4.Addr(), b4.Addr(), mustAppend(t, a4, b4, AppendREQ(nil, token))).Options)
	}
	ask(1)
	_, ok := e.Poll(t0, nil)
	require.True(t, ok)
	ask(2)
	_, ok = e.Poll(t0, nil)
	require.False(t, ok, "the limit")
	full := make([]byte, e.MPS())
	p, options, err := e.Data(nil, full)
	require.NoError(t, err)
	assert.False(t, options, "no room")
	assert.Len(t, p, headerLen+len(full))
	p, options, err = e.Data(nil, []byte("odd"))
	require.NoError(t, err)
	assert.True(t, options)
	r := Receive(b4.Addr(), a4.Addr(), p)
	token, _ := r.Options.RES()
	assert.Equal(t, Token(2), token)
	assert.Equal(t, "odd", string(r.UserData))
	_, options, err = e.Data(nil, []byte("more"))
	require.NoError(t, err)
	assert.False(t, options, "once")
	assert.EqualValues(t, 2, e.Counters().Responses)
	_, _, err = e.Data(nil, append(full, 0))
	assert.EqualError(t, err, "udpopt: user data of 41 bytes, want at most 40 (the PLPMTU)")
}

// U5.2-2, U5.2-3, U5.2-4, U8-1: a PTB counts only with addresses, ports and a
// token that was sent.
func TestPTBValidation(t *testing.T) {
	for _, six := range []bool{false, true} {
		a, b, head := a4, b4, 20
		if six {
			a, b, head = a6, b6, 40
		}
		w := newWire(t, config(a, b), config(b, a), 1500)
		e := w.ends[0]
		e.Start(w.now)
		w.run(time.Minute)
		require.Equal(t, 1500, e.MTU())
		last := ipPacket(a, b, w.packets[len(w.packets)-1])
		change := func(at int) []byte {
			q := append([]byte{}, last...)
			q[at] ^= 1
			return q
		}
		for name, q := range map[string][]byte{
			"source address":      change(head - 1 - int(a.Addr().BitLen()/8)),
			"destination address": change(head - 1),
			"source port":         change(head + 1),
			"destination port":    change(head + 3),
			"UDP Length too long": change(head + 4),
			"token":               change(head + headerLen + ocsLen + 2),
			"kind":                change(head + headerLen + ocsLen),
			"length":              change(head + headerLen + ocsLen + 1),
			"protocol":            change(map[bool]int{false: 9, true: 6}[six]),
			"version":             append([]byte{last[0] ^ 0x10}, last[1:]...),
			"no UDP payload":      last[:head+headerLen],
			"another token":       quote(t, a, b, 1),
			"nothing":             nil,
		} {
			assert.False(t, e.PTB(w.now, 1400, q), name)
		}
		for n := range head + headerLen + ocsLen + lenEcho {
			assert.False(t, e.PTB(w.now, 1400, last[:n]), "quote of %d bytes", n)
		}
		assert.Equal(t, 1500, e.MTU())
		assert.Zero(t, e.Counters().PTBUsed)
		assert.False(t, e.PTB(w.now.Add(MSL+time.Second), 1400, last), "stale")
		w.run(MSL)
		w.run(time.Minute) // a fresh confirmation
		last = ipPacket(a, b, w.packets[len(w.packets)-1])
		// As little as reaches the token is enough.
		assert.True(t, e.PTB(w.now, 1400, last[:head+headerLen+ocsLen+lenEcho]))
		assert.EqualValues(t, 1, e.Counters().PTBUsed)
		assert.Less(t, e.MTU(), 1401, "D4.6.2-4")
	}
}

// D3-6c, D4.6.2-1: not even a valid PTB raises the PLPMTU.
func TestPTBNeverRaises(t *testing.T) {
	w := newWire(t, config(a4, b4), config(b4, a4), 1300)
	e := w.ends[0]
	e.Start(w.now)
	w.run(3 * time.Minute)
	before := e.PLPMTU()
	for mtu := range 2000 {
		was := e.PLPMTU()
		e.PTB(w.now, mtu, ipPacket(a4, b4, w.packets[len(w.packets)-1]))
		require.LessOrEqual(t, e.PLPMTU(), was)
	}
	assert.LessOrEqual(t, e.PLPMTU(), before)
}

// An RES that is replayed, forged or for another path changes nothing.
func TestForgedAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := config(a4, b4)
		e := newEngine(t, c)
		e.Start(t0)
		p, ok := e.Poll(t0, nil)
		require.True(t, ok)
		token, _ := Receive(a4.Addr(), b4.Addr(), p).Options.REQ()
		forged := Token(rapid.Uint32().Draw(t, "token"))
		if forged == token {
			return
		}
		state, size := e.State(), e.PLPMTU()
		e.Receive(t0, Receive(b4.Addr(), a4.Addr(), mustAppend(t, b4, a4, AppendRES(nil, forged))).Options)
		if e.State() != state || e.PLPMTU() != size || e.Answered() {
			t.Fatal("a forged token was believed")
		}
		good := Receive(b4.Addr(), a4.Addr(), mustAppend(t, b4, a4, AppendRES(nil, token))).Options
		e.Receive(t0, good)
		require.True(t, e.Answered())
		state, size = e.State(), e.PLPMTU()
		e.Receive(t0, good)
		if e.State() != state || e.PLPMTU() != size || e.Counters().Replays != 1 {
			t.Fatal("a replayed token was believed")
		}
	})
}

// A local limit is certain: it lowers the size at once, and what exceeds it is
// not probed.
func TestSetMax(t *testing.T) {
	w := newWire(t, config(a4, b4), config(b4, a4), 1500)
	e := w.ends[0]
	e.SetMax(w.now, 1400)
	e.Start(w.now)
	w.run(3 * time.Minute)
	assert.Equal(t, 1400, e.MTU())
	e.SetMax(w.now, 1300)
	assert.Equal(t, 1300, e.MTU())
	e.Stop(w.now)
	assert.Equal(t, plpmtud.Disabled, e.State())
	_, ok := e.Poll(w.now.Add(time.Hour), nil)
	assert.False(t, ok)
	assert.True(t, e.Next(w.now).IsZero())
}

// Without randomness no probe is sent: one with a token that can be guessed
// would be worse than none.
func TestNoRandomness(t *testing.T) {
	c := config(a4, b4)
	c.Random = iotest.ErrReader(errors.New("no entropy"))
	e := newEngine(t, c)
	e.Start(t0)
	_, ok := e.Poll(t0, nil)
	assert.False(t, ok)
	assert.Zero(t, e.Counters().Probes)
}

func TestConfig(t *testing.T) {
	at := func(local, remote string, f func(*Config)) Config {
		c := Config{Enabled: true, Random: rand.Reader}
		c.Local, _ = netip.ParseAddrPort(local)
		c.Remote, _ = netip.ParseAddrPort(remote)
		if f != nil {
			f(&c)
		}
		return c
	}
	v4 := func(f func(*Config)) Config { return at("192.0.2.1:1", "192.0.2.2:2", f) }
	for _, c := range []struct {
		c    Config
		want string
	}{
		{at("", "192.0.2.2:2", nil), "udpopt: Local is invalid AddrPort, want a unicast address and port"},
		{at("0.0.0.0:1", "192.0.2.2:2", nil), "udpopt: Local is 0.0.0.0:1, want a unicast address and port"},
		{at("192.0.2.1:1", "224.0.0.1:2", nil), "udpopt: Remote is 224.0.0.1:2, want a unicast address and port (RFC 9869 section 1)"},
		{at("192.0.2.1:1", "[2001:db8::1]:2", nil), "udpopt: Remote is [2001:db8::1]:2, want an address of the family of Local"},
		{at("192.0.2.1:1", "192.0.2.2:0", nil), "udpopt: Remote is 192.0.2.2:0, want a port other than 0"},
		{v4(func(c *Config) { c.Path.Overhead = 28 }), "udpopt: Path.Overhead is 28, want 0: it follows from the family"},
		{v4(func(c *Config) { c.Path.Header = 8 }), "udpopt: Path.Header is 8, want 0: UDP Options are optional in each datagram"},
		{v4(func(c *Config) { c.Path.Layer = plpmtud.Unacknowledged }), "udpopt: Path.Layer is unacknowledged, want its zero value: UDP is always unacknowledged"},
		{v4(func(c *Config) { c.Path.Min = 7 }), "udpopt: Path.Min is 7, want at least 8 bytes, which a probe needs"},
		{v4(func(c *Config) { c.Random = nil }), "udpopt: Random is <nil>, want a source of randomness, such as crypto/rand.Reader"},
		{v4(func(c *Config) { c.Respond.Burst = -1 }), "udpopt: Respond.Burst is -1, want 1 to 64"},
		{v4(func(c *Config) { c.Path.Max = 70000 }), "plpmtud: Max is 70000, want 1 to 65507 bytes with an Overhead of 28"},
		{v4(func(c *Config) { c.Path.Base = 30 }), ""},
		{v4(func(c *Config) { c.Path.Max = 600 }), ""},
		{at("[::ffff:192.0.2.1]:1", "192.0.2.2:2", nil), ""},
	} {
		_, err := New(c.c)
		if c.want == "" {
			assert.NoError(t, err)
		} else {
			assert.EqualError(t, err, c.want)
		}
	}
}
