package udpopt

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/plpmtud"
)

// adversary knows everything that was sent, and does what it likes in any order.
type adversary struct {
	t      *rapid.T
	e      *Engine
	now    time.Time
	probes []sentProbe // all so far
	max    int
	asked  int
	told   int // datagrams sent solely for an RES
	began  time.Time
}

type sentProbe struct {
	token Token
	size  int
	at    time.Time
}

// D3-6c, D4.6.2-1, U3.1-1, U5.2-4, U8-1: in any sequence of events, the PLPMTU
// rises only by the answer to a probe of exactly that size that was sent within
// the MSL; it stays within bounds; every probe has the size it was asked for and
// a token of its own; answers keep the rate; Next never loses an event.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := config(a6, b6)
		c.Respond = ResponderConfig{Interval: time.Second, Burst: 2}
		a := &adversary{t: t, e: newEngine(t, c), now: t0, began: t0, max: 1452}
		a.e.Start(a.now)
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			a.step()
		}
	})
}

func (a *adversary) step() {
	before := a.e.PLPMTU()
	credited := 0
	switch rapid.SampledFrom([]string{"poll", "poll", "poll", "wait", "answer", "answer", "forge", "ptb", "ptb forged", "ask", "max", "start"}).Draw(a.t, "event") {
	case "poll":
		a.poll()
	case "wait":
		d := time.Duration(rapid.IntRange(0, 40).Draw(a.t, "seconds")) * time.Second
		if next := a.e.Next(a.now); !next.IsZero() && rapid.Bool().Draw(a.t, "until Next") {
			d = max(next.Sub(a.now), 0)
		}
		a.now = a.now.Add(d)
	case "answer":
		if len(a.probes) > 0 {
			p := rapid.SampledFrom(a.probes).Draw(a.t, "probe")
			if a.now.Sub(p.at) < MSL {
				credited = p.size
			}
			a.receive(AppendRES(nil, p.token))
		}
	case "forge":
		a.receive(cat(AppendRES(nil, Token(rapid.Uint32().Draw(a.t, "token"))), AppendMDS(nil, rapid.Uint16().Draw(a.t, "mds"))))
	case "ptb":
		if len(a.probes) > 0 {
			p := rapid.SampledFrom(a.probes).Draw(a.t, "probe")
			used := a.e.PTB(a.now, rapid.IntRange(0, 2000).Draw(a.t, "mtu"), quote(a.t, a6, b6, p.token))
			require.Equal(a.t, a.now.Sub(p.at) < MSL, used)
		}
	case "ptb forged":
		state := a.e.State()
		require.False(a.t, a.e.PTB(a.now, rapid.IntRange(0, 2000).Draw(a.t, "mtu"), quote(a.t, a6, b6, Token(rapid.Uint32().Draw(a.t, "token")))))
		require.Equal(a.t, state, a.e.State())
		require.Equal(a.t, before, a.e.PLPMTU())
	case "ask":
		a.asked++
		a.receive(AppendREQ(nil, Token(a.asked)))
	case "max":
		a.max = rapid.IntRange(min6, 1452).Draw(a.t, "max")
		a.e.SetMax(a.now, a.max+overhead6)
	case "start":
		a.e.Start(a.now)
	}
	after := a.e.PLPMTU()
	if after > before {
		require.Equal(a.t, credited, after, "rose from %d", before)
	}
	require.LessOrEqual(a.t, after, a.max)
	require.GreaterOrEqual(a.t, after, min6)
	if next := a.e.Next(a.now); next.IsZero() {
		require.False(a.t, a.e.echo.pending, "an answer is due, but nobody is told when")
		require.NotEqual(a.t, plpmtud.Searching, a.e.State(), "the search sleeps")
	}
}

func (a *adversary) poll() {
	for again := 0; ; {
		p, ok := a.e.Poll(a.now, nil)
		if !ok {
			// Poll does what one timer asks for; Next then names the next one,
			// which may be due as well.
			if next := a.e.Next(a.now); next.IsZero() || next.After(a.now) {
				return
			}
			again++
			require.Less(a.t, again, 4, "Next stays due, but Poll has nothing")
			continue
		}
		r := Receive(a6.Addr(), b6.Addr(), p)
		require.Equal(a.t, Deliver, r.Do)
		if token, ok := r.Options.REQ(); ok {
			for _, q := range a.probes {
				require.False(a.t, q.token == token && a.now.Sub(q.at) < MSL)
			}
			require.LessOrEqual(a.t, len(p)-headerLen, a.max)
			a.probes = append(a.probes, sentProbe{token, len(p) - headerLen, a.now})
			continue
		}
		token, ok := r.Options.RES()
		require.True(a.t, ok)
		require.Equal(a.t, Token(a.asked), token)
		a.told++
		require.LessOrEqual(a.t, a.told, 2+int(a.now.Sub(a.began)/time.Second))
	}
}

func (a *adversary) receive(opts []byte) {
	a.e.Receive(a.now, Receive(b6.Addr(), a6.Addr(), mustAppend(a.t, b6, a6, opts)).Options)
}
