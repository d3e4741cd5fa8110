package udpopt

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

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
