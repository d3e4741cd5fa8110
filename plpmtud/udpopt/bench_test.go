package udpopt

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func BenchmarkReceive(b *testing.B) {
	for _, c := range []struct {
		name string
		data int
		size int
	}{{"probe1472", 0, 1480}, {"probe8972", 0, 8980}, {"data1200", 1200, 0}} {
		b.Run(c.name, func(b *testing.B) {
			p, _ := AppendDatagram(nil, a4, b4, make([]byte, c.data), AppendREQ(nil, 1), c.size)
			src, dst := a4.Addr(), b4.Addr()
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				if r := Receive(src, dst, p); r.Do != Deliver {
					b.Fatal(r.Err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	opts := cat(AppendAPC(nil, 1), AppendMDS(nil, 1452), AppendMRDS(nil, DefaultReassembly4), AppendREQ(nil, 1), AppendRES(nil, 2))
	surplus := area(opts...)
	b.ReportAllocs()
	for b.Loop() {
		if o, err := Parse(surplus, 0, 1); err != nil || !o.Has(RES) {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendProbe(b *testing.B) {
	buf := make([]byte, 0, 1500)
	b.ReportAllocs()
	for b.Loop() {
		var opts [8]byte
		buf, _ = AppendDatagram(buf[:0], a4, b4, nil, AppendREQ(opts[:0], 1), 1480)
	}
}

// BenchmarkEngine is a probe, its answer and what the state machine makes of it.
func BenchmarkEngine(b *testing.B) {
	c := config(a4, b4)
	c.Path.ConfirmInterval = time.Second
	e := newEngine(b, c)
	peer := newEngine(b, config(b4, a4))
	now := t0
	e.Start(now)
	var out, back [2048]byte
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(2 * time.Second)
		p, ok := e.Poll(now, out[:0])
		if !ok {
			continue
		}
		peer.Receive(now, Receive(a4.Addr(), b4.Addr(), p).Options)
		p, _ = peer.Poll(now, back[:0])
		e.Receive(now, Receive(b4.Addr(), a4.Addr(), p).Options)
	}
}

func BenchmarkReassemble(b *testing.B) {
	r := newReassembler(b, ReassemblyLimits{})
	pieces := split(b, Splitter{Size: 1480, Peer: DefaultReassembly4}, make([]byte, 2900), nil, 1)
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range pieces {
			if _, _, err := r.Insert(t0, key, p.f, p.data); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// No allocation on what a packet costs.
func TestAllocs(t *testing.T) {
	buf := make([]byte, 0, 2048)
	probe, _ := AppendDatagram(nil, a6, b6, nil, AppendREQ(nil, 1), 1452)
	odd, _ := AppendDatagram(nil, a6, b6, []byte("odd"), AppendREQ(nil, 1), 0)
	bad := append([]byte{}, probe...)
	bad[len(bad)-1] ^= 1
	tokens := NewTokens(rand.Reader)
	now := t0
	for name, f := range map[string]func(){
		"AppendDatagram": func() {
			var opts [8]byte
			buf, _ = AppendDatagram(buf[:0], a6, b6, nil, AppendREQ(opts[:0], 1), 1452)
		},
		"Receive":     func() { Receive(a6.Addr(), b6.Addr(), probe) },
		"Receive odd": func() { Receive(a6.Addr(), b6.Addr(), odd) },
		"Receive bad": func() { Receive(a6.Addr(), b6.Addr(), bad) },
		"All": func() {
			for o := range Receive(a6.Addr(), b6.Addr(), probe).Options.All() {
				_ = o
			}
		},
		"Sent": func() { tokens.Sent(now, 1) },
	} {
		assert.Zero(t, testing.AllocsPerRun(100, f), name)
	}
}
