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
	r := &results.Record{
		Schema: results.Schema, Tool: "pmtu (made up)", Run: "made-up", Time: now, Family: 4, Direction: results.RoundTrip,
		Vantage: results.Vantage{Name: "nowhere", Interface: "eth0", MTU: 1500}, AS: uint32(64496 + min(rng.IntN(16), rng.IntN(16))),
	}
	header := 28
	if v6 {
		header, r.Family = 48, 6
	}
	target, source, router := addresses(i, v6)
	r.Target, r.Address, r.Vantage.Source = target.String(), target.String(), source.String()
	f := fate{truth: pathMTU(rng, v6, r.AS%5 == 0), smallest: header + 12, sent: 2}
	f.measure(rng, r, router)
	f.lose(rng, r)
	method := []string{"icmp", "icmp", "udp", "quic"}[rng.IntN(4)]
	if method != "icmp" {
		r.Direction = results.Forward
	}
	m := results.Method{
		Method: method, Flow: source.String() + " > " + target.String(), Verdict: r.Verdict, Direction: r.Direction,
		ProbesSent: f.sent, ProbesLost: f.lost, BytesSent: f.bytes, RTT: int64(5000 + rng.IntN(200000)), Error: r.Error,
	}
	m.Elapsed = m.RTT * int64(f.sent)
	if f.pmtu != 0 {
		r.PMTU, m.PMTU, r.Confidence = &f.pmtu, &f.pmtu, 0.99
	}
	if v6 && rng.IntN(3) == 0 && f.pmtu != 0 {
		r.HBH = &results.HBH{Sent: true, Survived: rng.IntN(2) == 0}
		if r.HBH.Survived {
			r.HBH.MinPMTU = f.truth
			if rng.IntN(10) == 0 {
				r.HBH.MinPMTU = 1500
			}
		}
	}
	r.Methods = []results.Method{m}
	return r.Canonical()
}

func addresses(i int, v6 bool) (target, source, router netip.Addr) {
	if v6 {
		target = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i), 15: 1})
		return target, netip.MustParseAddr("2001:db8::2"), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 2, 15: byte(i)})
	}
	target = netip.AddrFrom4([4]byte{198, 18 + byte(i>>16&1), byte(i >> 8), byte(i)})
	return target, netip.MustParseAddr("192.0.2.2"), netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
}

// pathMTU draws one; tunnelled says that the network may have a tunnel of its own.
func pathMTU(rng *rand.Rand, v6, tunnelled bool) int {
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
	if tunnelled && rng.IntN(2) == 0 {
		truth = min(truth, 1420)
	}
	return truth
}

// fate is how a measurement went. Sizes are those of IP packets, in bytes.
type fate struct {
	truth, pmtu int // pmtu is what was found, 0: nothing
	smallest    int // probe
	sent, lost  int
	bytes       int64
}

// measure draws a verdict and what speaks for it.
func (f *fate) measure(rng *rand.Rand, r *results.Record, router netip.Addr) {
	f.pmtu = f.truth
	f.bytes = int64(f.smallest + 1500)
	r.Loss = []results.Loss{{Size: f.smallest, Sent: 1}}
	switch luck := rng.IntN(1000); {
	case luck < 60:
		r.Verdict, r.Error, f.sent, f.lost, f.pmtu = results.Unresponsive, "doesn't answer", 4, 4, 0
		r.Loss = []results.Loss{{Size: f.smallest, Sent: 4, Lost: 4}}
		f.bytes = int64(4 * f.smallest)
	case luck < 70:
		r.Verdict, r.Error, f.pmtu = results.Refused, "prohibited", 0
	case luck < 75:
		r.Verdict, r.Error, f.pmtu = results.Inconsistent, "passes and fails in turn", 0
	case luck < 80:
		r.Verdict, r.Error, f.pmtu = results.NoVerdict, "over budget", 0
	case luck < 90:
		r.Verdict = results.LossyAbove
		f.pmtu = min(f.truth, 1440)
		r.Loss = append(r.Loss, results.Loss{Size: 1500, Sent: 20, Lost: rng.IntN(8)})
	case luck < 95:
		r.Verdict, f.pmtu = results.ResponderLimit, min(f.truth, 1400)
	case f.truth == 1500:
		r.Verdict = results.OK
		r.Loss = append(r.Loss, results.Loss{Size: 1500, Sent: 1})
	default:
		f.search(rng, r, router)
	}
}

// search makes up how a size below 1500 was found.
func (f *fate) search(rng *rand.Rand, r *results.Record, router netip.Addr) {
	r.Verdict = results.OK
	n := 1 + rng.IntN(3)
	if rng.IntN(4) == 0 {
		r.Verdict, n = results.OKSilent, 4+rng.IntN(6)
		r.Loss = append(r.Loss, results.Loss{Size: f.truth + 1, Sent: 3, Lost: 3})
		f.lost += 3
	} else {
		r.PTB = []results.PTB{claim(rng, router.String(), f.truth)}
		r.Bottleneck = &results.Bottleneck{Hop: r.PTB[0].Hop, Addr: router.String(), Evidence: fmt.Sprintf("Packet Too Big with MTU %d", r.PTB[0].MTU)}
	}
	r.Loss = append(r.Loss, results.Loss{Size: f.truth, Sent: 1 + rng.IntN(2)})
	f.sent += n
	f.bytes += int64(n * f.truth)
}

// lose loses some probes by chance.
func (f *fate) lose(rng *rand.Rand, r *results.Record) {
	for k := range r.Loss {
		if l := &r.Loss[k]; l.Lost == 0 && rng.IntN(100) < 1+l.Size/700 {
			l.Lost, l.Sent = 1, l.Sent+1
			f.sent, f.lost, f.bytes = f.sent+1, f.lost+1, f.bytes+int64(l.Size)
		}
	}
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
