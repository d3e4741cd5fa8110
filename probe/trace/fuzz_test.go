package trace

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/probe"
)

// samples are packets that a Trace sends, and answers to them.
func samples(t *testing.T) (sent, answers [][]byte) {
	for _, v6 := range []bool{false, true} {
		s := &sim{t: t, v6: v6}
		cfg, err := s.config(1500).normalise()
		require.NoError(t, err)
		for a := Plain; a < armCount; a++ {
			sp := spec{a, cfg.small(), 5}
			if a == tcpSYN {
				sent = append(sent, cfg.syn(nil, 1, sp))
			} else if v6 || a == Plain {
				sent = append(sent, cfg.udp(nil, 1, sp, cfg.payload(nil, 1, sp)))
			}
		}
		for _, b := range sent {
			if (b[0]>>4 == 6) == v6 {
				answers = append(answers, s.message(simAddr(v6, 11), b, 3, 0, 0, false), s.message(simAddr(v6, 11), b, 2, 0, 1400, false))
			}
		}
	}
	return sent, answers
}

// Every prefix of a good packet is refused or read, without a panic; what is
// read has its token only if that is in it.
func TestPrefixes(t *testing.T) {
	sent, answers := samples(t)
	for _, b := range answers {
		_, ok := parseEvent(b)
		require.True(t, ok)
		for n := range b {
			_, ok := parseEvent(b[:n:n])
			assert.False(t, ok, "%d of %d bytes", n, len(b))
		}
	}
	for _, b := range sent {
		q, ok := parseQuote(b, b[0]>>4 == 6)
		require.True(t, ok)
		assert.Equal(t, len(b), q.length)
		for n := range b {
			parseQuote(b[:n:n], b[0]>>4 == 6)
		}
	}
}

func FuzzReceived(f *testing.F) {
	sent, answers := samples(&testing.T{})
	for _, b := range append(sent, answers...) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v6 := range []bool{false, true} {
			s := &sim{t: t, v6: v6}
			tr, err := New(s.config(1500))
			require.NoError(t, err)
			for range 4 {
				tr.Poll(epoch)
			}
			tr.Received(epoch, b)
			tr.Poll(epoch.Add(gap))
			tr.Interrupt(epoch)
			r := tr.Report()
			for _, h := range r.Hops {
				require.LessOrEqual(t, h.Passes, 1500)
			}
		}
	})
}

func FuzzQuote(f *testing.F) {
	sent, _ := samples(&testing.T{})
	for _, b := range sent {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v6 := range []bool{false, true} {
			if q, ok := parseQuote(b, v6); ok {
				require.GreaterOrEqual(t, len(q.transport), 8)
				mssOf(q.transport)
				q.minPMTU()
			}
		}
		mssOf(b)
		parseEcho(b)
	})
}

func FuzzQueued(f *testing.F) {
	f.Add(uint8(11), uint8(0), 0, []byte("payload"))
	f.Fuzz(func(t *testing.T, typ, code uint8, mtu int, payload []byte) {
		s := &sim{t: t}
		cfg := s.config(1500)
		cfg.Whole = false
		tr, err := New(cfg)
		require.NoError(t, err)
		tr.Poll(epoch)
		got := tr.Queued(epoch, QueuedError{From: netip.MustParseAddr("192.0.2.11"), Type: typ, Code: code, MTU: mtu, Payload: payload})
		require.False(t, got && len(payload) >= probe.TokenLen, "nobody can guess a token")
		tr.Interrupt(epoch)
	})
}

// What nobody can have answered changes nothing: forged quotes of the right
// flow with a wrong token.
func TestForgedQuotes(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		s := path(t, v6, simHop{mtu: 1500}, simHop{mtu: 1500})
		cfg := s.config(1500)
		other := cfg
		other.Key[0]++
		forge, err := other.normalise()
		require.NoError(t, err)
		for id := range probe.ID(60) {
			sp := spec{Plain, 1500, 64}
			b := forge.udp(nil, id+1, sp, forge.payload(nil, id+1, sp))
			s.reply(epoch, s.message(simAddr(v6, 55), b, 2, 0, 1300, false))
			sp = spec{Plain, forge.small(), 2}
			b = forge.udp(nil, id+1, sp, forge.payload(nil, id+1, sp))
			s.reply(epoch, s.message(simAddr(v6, 66), b, 3, 0, 0, false))
		}
		r, _ := s.run(cfg)
		rec := record(t, s, r)
		require.NotNil(t, rec.PMTU)
		assert.Equal(t, 1500, *rec.PMTU)
		require.Len(t, r.Hops, 3)
		assert.Equal(t, simAddr(v6, 11), r.Hops[0].Addr)
		assert.Nil(t, rec.Bottleneck)
	})
}

// Budgets and interrupts end a Trace with what it knows.
func TestBudgets(t *testing.T) {
	for _, b := range []Budget{{Packets: 10}, {Bytes: 3000}, {Time: 20_000_000}} {
		s := path(t, false, simHop{mtu: 1500}, simHop{mtu: 1413, noPTB: true}, simHop{mtu: 1500})
		cfg := s.config(1500)
		cfg.Budget = b
		r, _ := s.run(cfg)
		rec := record(t, s, r)
		assert.Contains(t, r.Problem, "used up")
		assert.Nil(t, rec.PMTU)
		assert.NotEmpty(t, rec.Error)
		if b.Packets != 0 {
			assert.LessOrEqual(t, s.sent, b.Packets)
		}
		if b.Bytes != 0 {
			assert.LessOrEqual(t, r.Bytes, b.Bytes+1500)
		}
	}
	s := path(t, false, simHop{mtu: 1500})
	tr, err := New(s.config(1500))
	require.NoError(t, err)
	tr.Interrupt(epoch)
	assert.True(t, tr.Done())
	r := tr.Report()
	assert.Equal(t, "interrupted", r.Problem)
	record(t, s, r)
}

func TestConfigErrors(t *testing.T) {
	s := &sim{t: t}
	for field, change := range map[string]func(*Config){
		"Target":        func(c *Config) { c.Target = netip.Addr{} },
		"Source":        func(c *Config) { c.Source = netip.MustParseAddr("::1") },
		"Port":          func(c *Config) { c.Port = 0 },
		"SourcePort":    func(c *Config) { c.SourcePort = 0 },
		"FlowLabel":     func(c *Config) { c.FlowLabel = 1 << 20 },
		"FirstHop":      func(c *Config) { c.FirstHop = 20 },
		"MaxHops":       func(c *Config) { c.MaxHops = 65 },
		"Probes":        func(c *Config) { c.Probes = 11 },
		"Timeout":       func(c *Config) { c.Timeout = 1 },
		"TCPSourcePort": func(c *Config) { c.TCPSourcePort = 0 },
		"Budget":        func(c *Config) { c.Budget.Packets = -1 },
	} {
		cfg := s.config(1500)
		change(&cfg)
		_, err := New(cfg)
		var bad *probe.ConfigError
		require.ErrorAs(t, err, &bad, field)
		assert.Equal(t, field, bad.Field)
		assert.ErrorContains(t, err, field)
	}
}
