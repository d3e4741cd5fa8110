package udpopt

import (
	"crypto/rand"
	"errors"
	"net/netip"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
