package probe

import (
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
