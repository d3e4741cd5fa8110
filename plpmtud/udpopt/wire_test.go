package udpopt

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/stretchr/testify/require"
)

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
