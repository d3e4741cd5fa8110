package udpopt

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func pair(port int) Pair {
	return Pair{Local: b4, Remote: netip.AddrPortFrom(a4.Addr(), uint16(port))}
}

func newResponder(t require.TestingT, c ResponderConfig) *Responder {
	r, err := NewResponder(c)
	require.NoError(t, err)
	return r
}

// U3-1, U3-2, U3-3: the zero configuration never answers.
func TestResponderIsOffByDefault(t *testing.T) {
	r := newResponder(t, ResponderConfig{})
	for i := range 10 {
		r.Request(t0, pair(1), Token(i))
	}
	_, _, ok := r.Poll(t0.Add(time.Hour))
	assert.False(t, ok)
	_, ok = r.Take(pair(1))
	assert.False(t, ok)
	assert.True(t, r.Next().IsZero())
	assert.Empty(t, r.pairs)
}

// U3.1-1: datagrams sent solely for an RES are limited for each pair of ports;
// U3.1-5: what is answered is the last token.
func TestResponderLimits(t *testing.T) {
	r := newResponder(t, ResponderConfig{Enabled: true})
	sent := map[Pair][]Token{}
	for ms := 0; ms <= 10_000; ms += 100 {
		now := t0.Add(time.Duration(ms) * time.Millisecond)
		for port := range 3 {
			r.Request(now, pair(port), Token(ms))
		}
		for {
			p, token, ok := r.Poll(now)
			if !ok {
				break
			}
			sent[p] = append(sent[p], token)
		}
	}
	require.Len(t, sent, 3)
	for _, tokens := range sent {
		assert.Equal(t, []Token{0, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10000}, tokens)
	}
}

// U3.1-1, whatever the timing: never more than burst + time/interval.
func TestResponderLimitHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := ResponderConfig{Enabled: true, Interval: time.Duration(rapid.IntRange(1, 2000).Draw(t, "interval")) * time.Millisecond,
			Burst: rapid.IntRange(1, 5).Draw(t, "burst"), Pairs: 8}
		r := newResponder(t, c)
		sent := map[Pair]int{}
		last := map[Pair]Token{}
		now := t0
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
			p := pair(rapid.IntRange(1, 12).Draw(t, "port"))
			r.Request(now, p, Token(i))
			last[p] = Token(i)
			if rapid.IntRange(0, 5).Draw(t, "data") == 0 {
				if token, ok := r.Take(p); ok && token != last[p] {
					t.Fatalf("took %v, want %v", token, last[p])
				}
				continue
			}
			for {
				p, token, ok := r.Poll(now)
				if !ok {
					break
				}
				if token != last[p] {
					t.Fatalf("answered %v, want the last one, %v", token, last[p])
				}
				if sent[p]++; sent[p] > c.Burst+int(now.Sub(t0)/c.Interval) {
					t.Fatalf("%d answers within %v", sent[p], now.Sub(t0))
				}
			}
			if len(r.pairs) > 8 || len(r.queue) > len(r.pairs) {
				t.Fatalf("%d pairs, %d queued", len(r.pairs), len(r.queue))
			}
			if next := r.Next(); !next.IsZero() && !next.After(now) {
				t.Fatal("Next is due, but Poll had nothing")
			}
		}
	})
}

func TestResponderDelays(t *testing.T) {
	r := newResponder(t, ResponderConfig{Enabled: true})
	poll := func(at time.Duration) (Token, bool) {
		_, token, ok := r.Poll(t0.Add(at))
		return token, ok
	}
	r.Request(t0, pair(1), 1)
	token, ok := poll(0)
	assert.True(t, ok)
	assert.Equal(t, Token(1), token)
	r.Request(t0.Add(100*time.Millisecond), pair(1), 2)
	_, ok = poll(999 * time.Millisecond)
	assert.False(t, ok)
	assert.Equal(t, t0.Add(time.Second), r.Next())
	r.Request(t0.Add(200*time.Millisecond), pair(1), 3)
	token, ok = poll(time.Second)
	assert.True(t, ok, "an answer is late rather than lost")
	assert.Equal(t, Token(3), token)

	// U4.5-3: with data, at any time.
	r.Request(t0.Add(1100*time.Millisecond), pair(1), 4)
	token, ok = r.Take(pair(1))
	assert.True(t, ok)
	assert.Equal(t, Token(4), token)
	_, ok = r.Take(pair(1))
	assert.False(t, ok)
	_, ok = poll(time.Hour)
	assert.False(t, ok)
}

func TestResponderForgets(t *testing.T) {
	r := newResponder(t, ResponderConfig{Enabled: true, Pairs: 2})
	for port := range 5 {
		r.Request(t0, pair(port), 1)
	}
	assert.Len(t, r.pairs, 2)
	for range 2 {
		_, _, ok := r.Poll(t0)
		require.True(t, ok)
	}
	r.Request(t0.Add(500*time.Millisecond), pair(9), 1)
	assert.Len(t, r.pairs, 2, "their buckets are not full yet")
	r.Request(t0.Add(1500*time.Millisecond), pair(9), 1)
	assert.Len(t, r.pairs, 1)
}

func TestResponderConfig(t *testing.T) {
	for _, c := range []struct {
		c    ResponderConfig
		want string
	}{
		{ResponderConfig{Interval: -1}, "udpopt: ResponderConfig.Interval is -1ns, want more than 0"},
		{ResponderConfig{Burst: 65}, "udpopt: ResponderConfig.Burst is 65, want 1 to 64"},
		{ResponderConfig{Pairs: -1}, "udpopt: ResponderConfig.Pairs is -1, want at least 1"},
	} {
		_, err := NewResponder(c.c)
		assert.EqualError(t, err, c.want)
	}
}
