package resultstest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"pathmtu/results"
)

// Survey makes n records, such as a survey of a made-up Internet would find:
// the same for the same seed. Nothing in it was measured.
func Survey(seed uint64, n int) []*results.Record {
	rng := rand.New(rand.NewPCG(seed, 1))
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	all := make([]*results.Record, n)
	for i := range all {
		all[i] = one(rng, i, start.Add(time.Duration(i)*time.Millisecond))
	}
	return all
}

// madeUp are path MTUs and their weights, of both families.
var madeUp = []struct {
	size   int
	w4, w6 int
}{
	{1500, 780, 640}, {1492, 80, 60}, {1480, 12, 90}, {1460, 30, 5}, {1450, 12, 10}, {1420, 22, 40}, {1400, 25, 15},
	{1280, 4, 120}, {1476, 8, 2}, {1472, 6, 3}, {1454, 5, 4}, {1440, 6, 4}, {1380, 4, 3}, {1360, 3, 2}, {1300, 2, 1}, {576, 1, 0},
}

func one(rng *rand.Rand, i int, now time.Time) *results.Record {
	v6 := rng.IntN(5) < 2
	var target, source, router netip.Addr
	r := &results.Record{
		Schema: results.Schema, Tool: "pmtu (made up)", Run: "made-up", Time: now, Family: 4, Direction: results.RoundTrip,
		Vantage: results.Vantage{Name: "nowhere", Interface: "eth0", MTU: 1500}, AS: uint32(64496 + min(rng.IntN(16), rng.IntN(16))),
	}
	header := 28
	if v6 {
		header, r.Family = 48, 6
		target = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i), 15: 1})
		source, router = netip.MustParseAddr("2001:db8::2"), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 2, 15: byte(i)})
	} else {
		target = netip.AddrFrom4([4]byte{198, 18 + byte(i>>16&1), byte(i >> 8), byte(i)})
		source, router = netip.MustParseAddr("192.0.2.2"), netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
	}
	r.Target, r.Address, r.Vantage.Source = target.String(), target.String(), source.String()
	sum := 0
	for _, m := range madeUp {
		sum += weight(m.w4, m.w6, v6)
	}
	truth, at := 0, rng.IntN(sum)
	for _, m := range madeUp {
		if at -= weight(m.w4, m.w6, v6); at < 0 {
			truth = m.size
			break
		}
	}
	if r.AS%5 == 0 && rng.IntN(2) == 0 { // a network with a tunnel of its own
		truth = min(truth, 1420)
	}
	sent, lost := 2, 0
	bytes := int64(header + 12 + 1500)
	r.Loss = []results.Loss{{Size: header + 12, Sent: 1}}
	pmtu := truth
	switch luck := rng.IntN(1000); {
	case luck < 60:
		r.Verdict, r.Error, sent, lost, pmtu = results.Unresponsive, "doesn't answer", 4, 4, 0
		r.Loss = []results.Loss{{Size: header + 12, Sent: 4, Lost: 4}}
		bytes = int64(4 * (header + 12))
	case luck < 70:
		r.Verdict, r.Error, pmtu = results.Refused, "prohibited", 0
	case luck < 75:
		r.Verdict, r.Error, pmtu = results.Inconsistent, "passes and fails in turn", 0
	case luck < 80:
		r.Verdict, r.Error, pmtu = results.NoVerdict, "over budget", 0
	case luck < 90:
		r.Verdict = results.LossyAbove
		pmtu = min(truth, 1440)
		r.Loss = append(r.Loss, results.Loss{Size: 1500, Sent: 20, Lost: rng.IntN(8)})
	case luck < 95:
		r.Verdict, pmtu = results.ResponderLimit, min(truth, 1400)
	case truth == 1500:
		r.Verdict = results.OK
		r.Loss = append(r.Loss, results.Loss{Size: 1500, Sent: 1})
	default:
		r.Verdict = results.OK
		n := 1 + rng.IntN(3)
		if rng.IntN(4) == 0 {
			r.Verdict, n = results.OKSilent, 4+rng.IntN(6)
			r.Loss = append(r.Loss, results.Loss{Size: truth + 1, Sent: 3, Lost: 3})
			lost += 3
		} else {
			r.PTB = []results.PTB{claim(rng, router.String(), truth)}
			r.Bottleneck = &results.Bottleneck{Hop: r.PTB[0].Hop, Addr: router.String(), Evidence: fmt.Sprintf("Packet Too Big with MTU %d", r.PTB[0].MTU)}
		}
		r.Loss = append(r.Loss, results.Loss{Size: truth, Sent: 1 + rng.IntN(2)})
		sent += n
		bytes += int64(n * truth)
	}
	for k := range r.Loss { // chance
		if l := &r.Loss[k]; l.Lost == 0 && rng.IntN(100) < 1+l.Size/700 {
			l.Lost, l.Sent = 1, l.Sent+1
			sent, lost, bytes = sent+1, lost+1, bytes+int64(l.Size)
		}
	}
	method := []string{"icmp", "icmp", "udp", "quic"}[rng.IntN(4)]
	if method != "icmp" {
		r.Direction = results.Forward
	}
	m := results.Method{
		Method: method, Flow: source.String() + " > " + target.String(), Verdict: r.Verdict, Direction: r.Direction,
		ProbesSent: sent, ProbesLost: lost, BytesSent: bytes, RTT: int64(5000 + rng.IntN(200000)), Error: r.Error,
	}
	m.Elapsed = m.RTT * int64(sent)
	if pmtu != 0 {
		r.PMTU, m.PMTU, r.Confidence = &pmtu, &pmtu, 0.99
	}
	if v6 && rng.IntN(3) == 0 && pmtu != 0 {
		r.HBH = &results.HBH{Sent: true, Survived: rng.IntN(2) == 0}
		if r.HBH.Survived {
			r.HBH.MinPMTU = truth
			if rng.IntN(10) == 0 {
				r.HBH.MinPMTU = 1500
			}
		}
	}
	r.Methods = []results.Method{m}
	return r.Canonical()
}

func weight(w4, w6 int, v6 bool) int {
	if v6 {
		return w6
	}
	return w4
}

// claim makes what a router says, which is mostly right.
func claim(rng *rand.Rand, from string, truth int) results.PTB {
	p := results.PTB{From: from, Hop: 2 + rng.IntN(12), MTU: truth, Grade: results.Exact, Count: 1 + rng.IntN(2)}
	switch luck := rng.IntN(100); {
	case luck < 3:
		p.MTU, p.Grade = truth-20, results.Understated
	case luck < 5:
		p.MTU, p.Grade = truth+20, results.Overstated
	case luck < 6:
		p.MTU, p.Grade = 0, results.Zero
	case luck < 7:
		p.MTU, p.Grade = 1500, results.NotSmaller
	}
	return p
}
