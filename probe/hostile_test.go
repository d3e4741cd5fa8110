package probe

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"pathmtu/results"
)

// TestHostile: whatever the network does with the packets that it sees (answers
// them late, twice, out of order, or not; says that they are too big, with any
// number, before or after they arrive; that the host is unreachable), and
// whatever the system says to sending, a session comes to an end within its
// budgets, and reports no size that wasn't answered.
func TestHostile(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := &path{v6: rapid.Bool().Draw(rt, "v6"), link: rapid.SampledFrom([]int{1500, 9000}).Draw(rt, "link")}
		name := rapid.SampledFrom([]string{"icmp", "udp", "stun"}).Draw(rt, "method")
		budget := Budget{Packets: 60, Bytes: 200000, Errors: 200, Time: 20 * time.Second}
		s := newSession(t, p, name, func(c *Config) {
			c.Budget = budget
			c.Loss = rapid.SampledFrom([]int{0, 0, 20}).Draw(rt, "loss")
		})
		now := epoch
		var seen []Send
		answeredSizes := map[int]bool{}
		sent, bytes := 0, int64(0)
		for step := 0; !s.Done(); step++ {
			if step > 5000 {
				rt.Fatalf("no end")
			}
			for range 3 {
				send, ok := s.Poll(now)
				if !ok {
					break
				}
				if rapid.IntRange(0, 19).Draw(rt, "send fails") == 0 {
					f := Failure{Err: assert.AnError, TooBig: rapid.Bool().Draw(rt, "too big"), Transient: rapid.Bool().Draw(rt, "transient")}
					f.MTU = rapid.IntRange(0, 9000).Draw(rt, "link MTU")
					s.SendFailed(now, send.ID, f)
					continue
				}
				sent, bytes = sent+1, bytes+int64(send.Size)
				send.Data = append([]byte(nil), send.Data...)
				seen = append(seen, send)
			}
			if len(seen) > 0 {
				send := seen[rapid.IntRange(max(0, len(seen)-4), len(seen)-1).Draw(rt, "which")]
				quote := p.quote(s.cfg.Method, send.Size, send.Data)
				switch rapid.IntRange(0, 5).Draw(rt, "event") {
				case 0, 1:
					answeredSizes[send.Size] = true
					if s.traits.ClosedPort {
						e := ICMPError{From: p.target(), Type: 3, Code: 3, Quote: quote}
						if p.v6 {
							e.Type, e.Code = 1, 4
						}
						s.ICMP(now, e)
					} else {
						s.Received(now, respond(s.cfg.Method, p.v6, send.Data))
					}
				case 2:
					s.ICMP(now, p.tooBigError(rapid.IntRange(0, 70000).Draw(rt, "says"), quote))
				case 3:
					if rapid.IntRange(0, 9).Draw(rt, "rarely") == 0 {
						s.ICMP(now, ICMPError{From: p.router(), Type: uint8(rapid.IntRange(0, 12).Draw(rt, "type")), Code: uint8(rapid.IntRange(0, 15).Draw(rt, "code")), Quote: quote})
					}
				}
			}
			if next := s.Next(); !s.Done() {
				if next.IsZero() {
					rt.Fatalf("Next is zero")
				}
				if rapid.Bool().Draw(rt, "wait") {
					now = later(now, next)
				} else {
					now = now.Add(time.Duration(rapid.IntRange(0, 50).Draw(rt, "ms")) * time.Millisecond)
				}
			}
		}
		o := s.Outcome()
		if o.PMTU != nil && !answeredSizes[*o.PMTU] {
			rt.Fatalf("PMTU %d was never answered", *o.PMTU)
		}
		if o.PMTU == nil && o.Error == "" {
			rt.Fatalf("neither PMTU nor error: %+v", o)
		}
		if sent > budget.Packets || bytes > budget.Bytes+9000 || now.Sub(epoch) > budget.Time+time.Second {
			rt.Fatalf("over budget: %d packets, %d bytes, %v", sent, bytes, now.Sub(epoch))
		}
		r := results.Record{Schema: results.Schema, Target: "x", Family: 4, PMTU: o.PMTU, Verdict: o.Verdict, Confidence: o.Confidence,
			Direction: o.Method.Direction, Error: o.Error, Methods: []results.Method{o.Method}, PTB: o.PTB, Loss: o.Loss}
		if err := r.Validate(); err != nil {
			rt.Fatalf("%v: %+v", err, o)
		}
	})
}

// TestPathologies: with 0 to 5 % of packets lost, less than 1 % of results are
// wrong, over all that routers and hosts are known to do.
func TestPathologies(t *testing.T) {
	type sick struct {
		name    string
		method  string
		change  func(p *path)
		verdict results.Verdict
	}
	var cases []sick
	add := func(name, method string, v results.Verdict, change func(*path)) {
		cases = append(cases, sick{name, method, change, v})
	}
	for _, m := range []string{"icmp", "udp", "dns"} {
		add("honest", m, results.OK, func(p *path) { p.ptb = says(p.forward) })
		add("silent", m, results.OKSilent, func(*path) {})
		add("understated", m, results.OK, func(p *path) { p.ptb = says(p.forward - 77) })
		add("overstated", m, results.OK, func(p *path) { p.ptb = says(p.forward + 33) })
		add("zero", m, results.OK, func(p *path) { p.ptb = says(0) })
		add("too small", m, results.OK, func(p *path) { p.ptb = says(60) })
		add("not smaller", m, results.OK, func(p *path) { p.ptb = says(65535) })
		add("short quotes", m, results.OK, func(p *path) { p.ptb, p.short = says(p.forward), true })
	}
	add("narrow way back", "icmp", results.OKSilent, func(p *path) { p.reverse, p.forward = p.forward, p.link })
	wrong, all := 0, 0
	for _, c := range cases {
		for _, percent := range []int{0, 2, 5} {
			for i := range 24 {
				p := &path{v6: i%2 == 1, link: []int{1500, 9000}[i/2%2], forward: []int{1492, 1420, 1413, 1396, 1360, 1281}[i/4]}
				truth := p.forward
				c.change(p)
				p.lose = chance(uint64(all), float64(percent)/100)
				if c.method == "udp" {
					p.burst, p.every = 6, time.Second
					if p.v6 {
						p.every = 100 * time.Millisecond
					}
				}
				o := p.run(t, newSession(t, p, c.method, func(cfg *Config) { cfg.Seed = uint64(all) }))
				all++
				if o.PMTU == nil || *o.PMTU != truth || o.Verdict != c.verdict {
					wrong++
					got := 0
					if o.PMTU != nil {
						got = *o.PMTU
					}
					t.Logf("%s by %s, %d %% loss: %d %s, want %d %s: %s", c.name, c.method, percent, got, o.Verdict, truth, c.verdict, fmt.Sprint(o.Error, o.Evidence))
				}
			}
		}
	}
	t.Logf("%d of %d wrong", wrong, all)
	assert.Less(t, wrong*100, all)
}
