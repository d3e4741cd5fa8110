package probe

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/results"
)

// TestVerdicts is the verdict matrix: what arrives, what is said about it, and
// what is to be concluded.
func TestVerdicts(t *testing.T) {
	tests := []struct {
		name    string
		path    path
		udp     bool
		pmtu    int // 0: none
		verdict results.Verdict
		grades  []results.Grade
		packets int // at most
		within  time.Duration
		change  func(*Config)
	}{
		{name: "small and large arrive", path: path{forward: 1500}, pmtu: 1500, verdict: results.OK, packets: 2, within: time.Second},
		{name: "small only, honest PTB", path: path{forward: 1420, ptb: says(1420)}, pmtu: 1420, verdict: results.OK, grades: []results.Grade{results.Exact}, packets: 4, within: time.Second},
		{name: "small only, honest PTB that quotes 8 bytes", path: path{forward: 1420, ptb: says(1420), short: true}, pmtu: 1420, verdict: results.OK, grades: []results.Grade{results.Exact}, packets: 4, within: time.Second},
		{name: "small only, silence", path: path{forward: 1420}, pmtu: 1420, verdict: results.OKSilent, packets: 20, within: 5 * time.Second},
		{name: "neither", path: path{dead: true, forward: 1500}, verdict: results.Unresponsive, packets: 3, within: 4 * time.Second},
		{name: "jumbo first hop, silence", path: path{link: 9000, forward: 1413}, pmtu: 1413, verdict: results.OKSilent, packets: 30, within: 8 * time.Second},
		{name: "understated", path: path{forward: 1420, ptb: says(1300)}, pmtu: 1420, verdict: results.OK, grades: []results.Grade{results.Understated}, packets: 16, within: 2 * time.Second},
		{name: "overstated", path: path{forward: 1420, ptb: says(1480)}, pmtu: 1420, verdict: results.OK, grades: []results.Grade{results.Overstated}, packets: 12, within: 2 * time.Second},
		{name: "zero", path: path{forward: 1420, ptb: says(0)}, pmtu: 1420, verdict: results.OK, grades: []results.Grade{results.Zero}, packets: 12, within: 2 * time.Second},
		{name: "too small", path: path{forward: 1420, ptb: says(60)}, pmtu: 1420, verdict: results.OK, grades: []results.Grade{results.TooSmall}, packets: 12, within: 2 * time.Second},
		{name: "not smaller", path: path{forward: 1420, ptb: says(9000)}, pmtu: 1420, verdict: results.OK, grades: []results.Grade{results.NotSmaller}, packets: 12, within: 2 * time.Second},
		{name: "not smaller: the packet's own size", path: path{forward: 1420, ptb: func(n int) (int, bool) { return n, true }}, pmtu: 1420, verdict: results.OK, packets: 12, within: 2 * time.Second},
		{name: "off by one", path: path{forward: 1420, ptb: says(1419)}, pmtu: 1420, verdict: results.OK, grades: []results.Grade{results.Understated}, packets: 10, within: 2 * time.Second},
		{name: "first hop smaller than its interface says", path: path{link: 1400, forward: 1500}, pmtu: 1400, verdict: results.OK, packets: 4, within: time.Second,
			change: func(c *Config) { c.FirstHop = 1500 }},
		{name: "--max", path: path{forward: 1500}, pmtu: 1300, verdict: results.LocalLimit, packets: 2, within: time.Second,
			change: func(c *Config) { c.Max = 1300 }},
		{name: "--min", path: path{forward: 1420, ptb: says(1420)}, verdict: results.NoVerdict, packets: 5, within: time.Second,
			change: func(c *Config) { c.Min = 1450 }},
		{name: "--min, silence", path: path{forward: 1420}, verdict: results.NoVerdict, packets: 30, within: 8 * time.Second,
			change: func(c *Config) { c.Min = 1450 }},
		{name: "the way back is smaller", path: path{forward: 1500, reverse: 1400}, pmtu: 1400, verdict: results.OKSilent, packets: 20, within: 5 * time.Second},
		{name: "a PTB, but the packet arrives too", path: path{forward: 1500, ptbAlso: func(n int) (int, bool) { return 1400, n > 1400 }}, verdict: results.Inconsistent, packets: 40, within: 5 * time.Second},
		{name: "prohibited", path: path{forward: 1500, refusal: &ICMPError{From: router4, Type: 3, Code: 13}}, verdict: results.Refused, packets: 1, within: time.Second},
		{name: "host unreachable", path: path{forward: 1500, refusal: &ICMPError{From: router4, Type: 3, Code: 1}}, verdict: results.Unresponsive, packets: 3, within: time.Second},
		{name: "routing loop", path: path{forward: 1500, refusal: &ICMPError{From: router4, Type: 11}}, verdict: results.Unresponsive, packets: 3, within: time.Second},
		{name: "stops answering", path: path{forward: 1420, dieAfter: 5}, verdict: results.NoVerdict, packets: 20, within: 12 * time.Second},
		{name: "udp, PTB", udp: true, path: path{forward: 1420, ptb: says(1420), burst: 6, every: time.Second}, pmtu: 1420, verdict: results.OK, packets: 4, within: time.Second},
		{name: "udp, rate limit, silence", udp: true, path: path{forward: 1420, burst: 6, every: time.Second}, pmtu: 1420, verdict: results.OKSilent, packets: 25, within: 12 * time.Second},
		{name: "udp, bucket empty before", udp: true, path: path{forward: 1420, burst: 6, every: time.Second, tokens: 0.5, filled: epoch}, pmtu: 1420, verdict: results.OKSilent, packets: 30, within: 25 * time.Second},
		{name: "udp, somebody else takes half of the answers", udp: true, path: path{forward: 1420, burst: 6, every: time.Second, rival: 1700 * time.Millisecond}, pmtu: 1420, verdict: results.OKSilent, packets: 50, within: 55 * time.Second},
		{name: "icmp, unknown rate limit", path: path{forward: 1420, burst: 3, every: 300 * time.Millisecond}, pmtu: 1420, verdict: results.OKSilent, packets: 60, within: 30 * time.Second},
		{name: "udp, refused by a router", udp: true, path: path{forward: 1500, refusal: &ICMPError{From: router4, Type: 3, Code: 3}}, verdict: results.Refused, packets: 1, within: time.Second},
	}
	for i := range 2 * len(tests) {
		test, eager, title := tests[i/2], i%2 == 1, tests[i/2].name
		if eager {
			title += ", eager"
			if test.pmtu == 0 {
				test.packets++ // a large one that was in vain
			}
		}
		t.Run(title, func(t *testing.T) {
			name := "icmp"
			if test.udp {
				name = "udp"
			}
			p := test.path
			o := p.run(t, newSession(t, &p, name, func(c *Config) {
				if c.Eager = eager; test.change != nil {
					test.change(c)
				}
			}))
			if test.pmtu == 0 {
				assert.Nil(t, o.PMTU)
				assert.NotEmpty(t, o.Error)
			} else if assert.NotNil(t, o.PMTU, "%s", o.Error) {
				assert.Equal(t, test.pmtu, *o.PMTU, "sizes %v", p.sizes)
			}
			assert.Equal(t, test.verdict, o.Verdict, "%s %v", o.Error, o.Evidence)
			if test.grades != nil {
				var got []results.Grade
				for _, g := range o.PTB {
					got = append(got, g.Grade)
				}
				assert.Equal(t, test.grades, got)
			}
			assert.LessOrEqual(t, o.ProbesSent, test.packets, "sizes %v", p.sizes)
			assert.LessOrEqual(t, time.Duration(o.Elapsed)*time.Microsecond, test.within, "sizes %v", p.sizes)
			t.Logf("%d packets, %v: %v", o.ProbesSent, time.Duration(o.Elapsed)*time.Microsecond, p.sizes)
		})
	}
}

// TestExact: whatever the truth, whatever routers say, and with losses such that
// no size that fits is lost 3 times in a row, the result is exact.
func TestExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		v6 := rapid.Bool().Draw(rt, "v6")
		least := 68
		truth := rapid.OneOf(
			rapid.IntRange(least, 9000),
			rapid.SampledFrom(common[:18]),
			rapid.Map(rapid.SampledFrom(common[:16]), func(n int) int { return n - 1 }),
		).Draw(rt, "truth")
		truth = min(max(truth, least), 9000)
		link := rapid.SampledFrom([]int{1500, 9000, 65535}).Draw(rt, "link")
		p := path{v6: v6, link: link, forward: truth, rtt: time.Duration(rapid.IntRange(1, 300).Draw(rt, "rtt ms")) * time.Millisecond}
		switch rapid.IntRange(0, 4).Draw(rt, "ptb") {
		case 1:
			p.ptb = says(truth)
		case 2:
			p.ptb = says(rapid.IntRange(0, 70000).Draw(rt, "lie"))
		case 3:
			p.ptb = func(size int) (int, bool) { return size - 1, true }
		case 4:
			p.ptb = func(size int) (int, bool) { return truth, size%2 == 0 } // says it to half of them
		}
		p.twice = rapid.Bool().Draw(rt, "twice")
		if most := rapid.SampledFrom([]int{0, 0, 2, 50}).Draw(rt, "jitter ms"); most > 0 {
			p.jitter = func() time.Duration {
				return time.Duration(rapid.IntRange(0, most).Draw(rt, "jitter")) * time.Millisecond
			}
		}
		inRow := map[int]int{}
		p.lose = func(size int) bool {
			if size > truth || inRow[size] >= 2 || rapid.IntRange(0, 9).Draw(rt, "lost") > 0 {
				inRow[size] = 0
				return false
			}
			inRow[size]++
			return true
		}
		name := rapid.SampledFrom(Names()).Draw(rt, "method")
		if name == "hbh" || name == "truncate" {
			p.v6 = true
		}
		m := p.method(t, name)
		if truth < m.Traits().Min || link > m.Traits().Max {
			rt.Skip("no probe of this method fits")
		}
		if name == "udp" {
			p.burst, p.every = 6, time.Second
			if v6 {
				p.every = 100 * time.Millisecond
			}
		}
		o := p.run(t, newSession(t, &p, name, func(c *Config) {
			c.Budget = Budget{Packets: 3000, Bytes: 1 << 40, Time: time.Hour}
		}))
		step := m.Traits().Step
		want := min(truth, link)
		want -= (want - m.Traits().Min) % step // the largest size that the method can build
		whole := want+step > link
		if o.PMTU == nil {
			rt.Fatalf("no PMTU, want %d: %s %v", want, o.Error, o.Evidence)
		}
		if *o.PMTU != want {
			rt.Fatalf("PMTU %d, want %d; sizes %v", *o.PMTU, want, p.sizes)
		}
		if !contains(p.sizes, want) || !whole && !contains(p.sizes, want+step) {
			rt.Fatalf("not confirmed: sizes %v", p.sizes)
		}
		if p.ptb == nil && !whole && o.Verdict != results.OKSilent || whole && o.Verdict != results.OK {
			rt.Fatalf("verdict %s", o.Verdict)
		}
	})
}

func contains(sizes []int, n int) bool {
	for _, s := range sizes {
		if s == n {
			return true
		}
	}
	return false
}

// TestChanceLoss: with 0 to 5 % of packets lost at random on the way (in both
// directions together), less than 1 % of results are wrong.
func TestChanceLoss(t *testing.T) {
	runs := 400
	if testing.Short() {
		runs = 100
	}
	for _, percent := range []int{0, 1, 2, 5} {
		t.Run(fmt.Sprintf("%d%%", percent), func(t *testing.T) {
			wrong := 0
			for i := range runs {
				seed := uint64(i*100 + percent)
				truth := []int{1500, 1492, 1420, 1413, 1280, 1333, 576, 1006}[i%8]
				p := path{forward: truth, lose: chance(seed, float64(percent)/100)}
				if i/8%2 == 0 {
					p.ptb = says(truth)
				}
				o := p.run(t, newSession(t, &p, "icmp", nil))
				if o.PMTU == nil || *o.PMTU != truth {
					wrong++
				}
			}
			t.Logf("%d of %d wrong", wrong, runs)
			require.Less(t, wrong*100, runs, "1%% or more are wrong")
		})
	}
}
