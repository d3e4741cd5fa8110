package probe

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
)

// sends polls until the session sends a packet of the given size.
func sends(t *testing.T, s *Session, now *time.Time, size int) Send {
	t.Helper()
	for range 20 {
		if send, ok := s.Poll(*now); ok {
			require.Equal(t, size, send.Size)
			send.Data = append([]byte(nil), send.Data...)
			return send
		}
		require.False(t, s.Done(), "done: %s", s.problem)
		*now = later(now.Add(time.Microsecond), s.Next())
	}
	t.Fatal("sends nothing")
	return Send{}
}

func reply(s *Session, now time.Time, send Send) bool {
	b := append([]byte(nil), send.Data...)
	b[0] = s.cfg.Method.(*icmpEcho).reply()
	return s.Received(now, b)
}

func (p *path) tooBig(s *Session, now time.Time, send Send, mtu int) bool {
	return s.ICMP(now, p.tooBigError(mtu, p.quote(s.cfg.Method, send.Size, send.Data)))
}

// TestForeignMessages (D4.6.1-5): what isn't about a packet of the session
// changes nothing.
func TestForeignMessages(t *testing.T) {
	p := &path{}
	s := newSession(t, p, "icmp", nil)
	now := epoch
	c := sends(t, s, &now, 44)
	now = now.Add(10 * time.Millisecond)
	require.True(t, reply(s, now, c))
	big := sends(t, s, &now, 1500)

	other := newSession(t, p, "icmp", func(c *Config) {
		c.Method = NewICMP(Target{Addr: host4, Key: Key{66}}, 4711)
	})
	at := epoch
	forged := sends(t, other, &at, 44)
	assert.False(t, reply(s, now, forged), "another session's answer")
	assert.False(t, p.tooBig(s, now, forged, 1000), "another session's packet")
	e := p.tooBigError(1000, Quote{})
	assert.False(t, s.ICMP(now, e))
	never := s.cfg.Method.Append(nil, Packet{ID: 99, Size: 1500})
	assert.False(t, s.ICMP(now, p.tooBigError(1000, Quote{Payload: never})), "a genuine token of a packet never sent")
	require.NotNil(t, s.now)
	assert.Equal(t, 1500, s.now.size)
	require.True(t, reply(s, now.Add(time.Millisecond), big))
	require.True(t, s.Done())
	o := s.Outcome()
	require.NotNil(t, o.PMTU)
	assert.Equal(t, 1500, *o.PMTU)
	for _, ptb := range o.PTB {
		assert.Equal(t, results.WrongFlow, ptb.Grade)
	}
	assert.NotEmpty(t, o.PTB)
	assert.Equal(t, results.OK, o.Verdict)
}

// TestRepeated: the same message by two ways, or twice, counts once.
func TestRepeated(t *testing.T) {
	p := &path{}
	s := newSession(t, p, "icmp", nil)
	now := epoch
	c := sends(t, s, &now, 44)
	now = now.Add(10 * time.Millisecond)
	require.True(t, reply(s, now, c))
	assert.True(t, reply(s, now, c), "known, and of no effect")
	big := sends(t, s, &now, 1500)
	for range 5 {
		assert.True(t, p.tooBig(s, now, big, 1400))
	}
	for _, size := range []int{1400, 1401} {
		send := sends(t, s, &now, size)
		now = now.Add(time.Millisecond)
		if size == 1400 {
			require.True(t, reply(s, now, send))
		} else {
			require.True(t, p.tooBig(s, now, send, 1400))
		}
	}
	require.True(t, s.Done())
	assert.Equal(t, []results.PTB{{From: router4.String(), Hop: 1, MTU: 1400, Grade: results.Exact, Count: 2}}, s.Outcome().PTB)
}

// TestLateAnswer: an answer after the size was given up is believed.
func TestLateAnswer(t *testing.T) {
	p := &path{}
	s := newSession(t, p, "icmp", nil)
	now := epoch
	c := sends(t, s, &now, 44)
	now = now.Add(10 * time.Millisecond)
	require.True(t, reply(s, now, c))
	big := sends(t, s, &now, 1500)
	for range 3 {
		c = sends(t, s, &now, 44)
		require.True(t, reply(s, now.Add(time.Millisecond), c))
		now = now.Add(300 * time.Millisecond)
		_, ok := s.Poll(now)
		if ok {
			break
		}
	}
	require.True(t, reply(s, now, big), "late")
	for range 10 {
		if s.Done() {
			break
		}
		if send, ok := s.Poll(now); ok {
			reply(s, now, send)
		}
		now = later(now.Add(time.Millisecond), s.Next())
	}
	o := s.Outcome()
	require.NotNil(t, o.PMTU, o.Error)
	assert.Equal(t, 1500, *o.PMTU)
}

func TestInterrupt(t *testing.T) {
	p := &path{forward: 1420}
	s := newSession(t, p, "icmp", nil)
	now := epoch
	reply(s, now, sends(t, s, &now, 44))
	s.Interrupt(now)
	require.True(t, s.Done())
	o := s.Outcome()
	assert.Nil(t, o.PMTU)
	assert.Equal(t, "interrupted", o.Error)
	assert.Equal(t, Interrupted, o.End)
	assert.Equal(t, results.NoVerdict, o.Verdict)
	_, ok := s.Poll(now)
	assert.False(t, ok)
	assert.True(t, s.Next().IsZero())

	fresh := newSession(t, p, "icmp", nil)
	fresh.Interrupt(now)
	assert.Equal(t, "interrupted", fresh.Outcome().Error)
}

func TestBudgets(t *testing.T) {
	for name, b := range map[string]Budget{
		"packets": {Packets: 6}, "bytes": {Bytes: 4000}, "time": {Time: 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			p := &path{forward: 1413}
			o := p.run(t, newSession(t, p, "icmp", func(c *Config) { c.Budget = b }))
			assert.Nil(t, o.PMTU)
			assert.Equal(t, OverBudget, o.End)
			assert.Equal(t, "budget of "+name+" used up", o.Error)
			if b.Packets > 0 {
				assert.LessOrEqual(t, o.ProbesSent, b.Packets)
			}
			if b.Bytes > 0 {
				assert.LessOrEqual(t, o.BytesSent, b.Bytes+1500)
			}
		})
	}
	t.Run("errors", func(t *testing.T) {
		p := &path{}
		s := newSession(t, p, "icmp", func(c *Config) { c.Budget.Errors = 3 })
		now := epoch
		big := sends(t, s, &now, 44)
		for range 3 {
			s.ICMP(now, ICMPError{From: router4, Type: 3, Code: 4})
		}
		assert.False(t, p.tooBig(s, now, big, 20), "looked at no more")
		assert.False(t, s.Done())
	})
}

func TestSendFailures(t *testing.T) {
	t.Run("out of buffers", func(t *testing.T) {
		n := 0
		p := &path{forward: 1500, sendFail: func(int) *Failure {
			if n++; n%2 == 1 {
				return &Failure{Transient: true, Err: assert.AnError}
			}
			return nil
		}}
		o := p.run(t, newSession(t, p, "icmp", nil))
		require.NotNil(t, o.PMTU, o.Error)
		assert.Equal(t, 1500, *o.PMTU)
		assert.Equal(t, 2, o.ProbesSent)
	})
	t.Run("always out of buffers", func(t *testing.T) {
		p := &path{forward: 1500, sendFail: func(int) *Failure { return &Failure{Transient: true, Err: assert.AnError} }}
		o := p.run(t, newSession(t, p, "icmp", nil))
		assert.Equal(t, SendFailed, o.End)
		assert.Contains(t, o.Error, "sending 44 bytes to 192.0.2.9: "+assert.AnError.Error())
	})
	t.Run("not permitted", func(t *testing.T) {
		p := &path{forward: 1500, sendFail: func(n int) *Failure {
			if n > 1000 {
				return &Failure{Err: assert.AnError}
			}
			return nil
		}}
		o := p.run(t, newSession(t, p, "icmp", nil))
		assert.Equal(t, SendFailed, o.End)
		assert.Equal(t, []string{"at least 44 bytes arrive"}, o.Evidence)
	})
	t.Run("every large packet too long, without a number", func(t *testing.T) {
		p := &path{forward: 9000, link: 9000, sendFail: func(n int) *Failure {
			if n > 8999 {
				return &Failure{TooBig: true, Err: assert.AnError}
			}
			return nil
		}}
		o := p.run(t, newSession(t, p, "icmp", nil))
		require.NotNil(t, o.PMTU, o.Error)
		assert.Equal(t, 8999, *o.PMTU)
		assert.Equal(t, 8999, o.LocalMTU)
	})
}

func TestConfig(t *testing.T) {
	p := &path{}
	m := p.method(t, "icmp")
	good := Config{Method: m, Target: host4, FirstHop: 1500}
	tests := []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Method = nil }, "Method is nil"},
		{func(c *Config) { c.Target = netip.Addr{} }, "Target is invalid IP, want an address"},
		{func(c *Config) { c.FirstHop = 20 }, "FirstHop is 20, want 44 bytes"},
		{func(c *Config) { c.Max = 43 }, "Max is 43, want 44 bytes"},
		{func(c *Config) { c.Min = 1501 }, "Min is 1501, want 0 to Max (1500 bytes)"},
		{func(c *Config) { c.Probes = 11 }, "Probes is 11, want 1 to 10"},
		{func(c *Config) { c.Timeout = time.Hour }, "Timeout is 1h0m0s, want 1ms to 1m"},
		{func(c *Config) { c.Budget.Packets = -1 }, "Budget.Packets is -1"},
		{func(c *Config) { c.Budget.Bytes = -1 }, "Budget.Bytes is -1"},
		{func(c *Config) { c.Budget.Errors = -1 }, "Budget.Errors is -1"},
		{func(c *Config) { c.Budget.Time = -1 }, "Budget.Time is -1ns"},
	}
	for _, test := range tests {
		c := good
		test.change(&c)
		_, err := New(c)
		var ce *ConfigError
		require.ErrorAs(t, err, &ce)
		assert.ErrorContains(t, err, test.want)
	}
	_, err := New(good)
	require.NoError(t, err)
}

// TestCachedNearer: of two routers with the right number, the nearer one repeats it.
func TestCachedNearer(t *testing.T) {
	var l ledger
	far, near := netip.MustParseAddr("198.51.100.3"), netip.MustParseAddr("198.51.100.1")
	l.add(claim{from: far, hop: 3, mtu: 1420, size: 1500})
	l.add(claim{from: near, hop: 1, mtu: 1420, size: 1421})
	got := l.records(false, 1420, 1421)
	assert.Equal(t, results.Exact, got[0].Grade)
	assert.Equal(t, results.CachedNearer, got[1].Grade)
}

func TestLedgerIsBounded(t *testing.T) {
	var l ledger
	for i := range 1000 {
		l.add(claim{from: router4, mtu: i, size: 1500})
	}
	assert.Len(t, l.claims, maxPTB)
	assert.Equal(t, 1000, l.valid)
}

// TestStaircase: a router behind which the path shrinks again told the truth.
func TestStaircase(t *testing.T) {
	p := &path{link: 9000}
	s := newSession(t, p, "icmp", nil)
	now := epoch
	require.True(t, reply(s, now, sends(t, s, &now, 44)))
	routers := []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.5"), netip.MustParseAddr("198.51.100.9")}
	for i, sizes := range [][2]int{{9000, 4352}, {4352, 1500}, {1500, 1420}} {
		send := sends(t, s, &now, sizes[0])
		e := p.tooBigError(sizes[1], p.quote(s.cfg.Method, send.Size, send.Data))
		e.From, e.Quote.TTL = routers[i], 64-i
		now = now.Add(time.Millisecond)
		require.True(t, s.ICMP(now, e))
	}
	require.True(t, reply(s, now, sends(t, s, &now, 1420)))
	send := sends(t, s, &now, 1421)
	e := p.tooBigError(1420, p.quote(s.cfg.Method, send.Size, send.Data))
	e.From, e.Quote.TTL = routers[2], 62
	require.True(t, s.ICMP(now, e))
	require.True(t, s.Done())
	o := s.Outcome()
	for i, ptb := range o.PTB {
		assert.Equal(t, results.Exact, ptb.Grade, "%d: %+v", i, ptb)
		assert.Equal(t, i+1, ptb.Hop)
	}
	require.NotNil(t, o.Bottleneck)
	assert.Equal(t, results.Bottleneck{Hop: 3, Addr: routers[2].String(), Evidence: "Packet Too Big with MTU 1420"}, *o.Bottleneck)
}

// TestSilentBehindAnHonestRouter: the router that reports a wider place isn't
// the bottleneck.
func TestSilentBehindAnHonestRouter(t *testing.T) {
	p := &path{link: 9000, forward: 1420, ptb: func(size int) (int, bool) { return 1500, size > 1500 }}
	o := p.run(t, newSession(t, p, "icmp", nil))
	require.NotNil(t, o.PMTU)
	assert.Equal(t, 1420, *o.PMTU)
	assert.Equal(t, results.OKSilent, o.Verdict)
	assert.Contains(t, strings.Join(o.Evidence, "\n"), "the place that carries no more is silent")
	assert.Nil(t, o.Bottleneck)
	require.Len(t, o.PTB, 1)
	assert.Equal(t, results.Overstated, o.PTB[0].Grade, "as far as one end can tell")
}
