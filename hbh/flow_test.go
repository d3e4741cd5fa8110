package hbh_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return epoch.Add(d) }

func newFlow(t *testing.T, change func(*hbh.FlowConfig)) *hbh.Flow {
	t.Helper()
	cfg := hbh.FlowConfig{LinkMTU: 9000, Ask: true}
	if change != nil {
		change(&cfg)
	}
	f, err := hbh.NewFlow(cfg)
	require.NoError(t, err)
	return f
}

// heard is what a packet with one option says.
func heard(o hbh.Option) hbh.Observed { return observed(withOptions(option(o))) }

func mustPoll(t *testing.T, f *hbh.Flow, now time.Time) hbh.Option {
	t.Helper()
	o, ok := f.Poll(now)
	require.True(t, ok, "an option is due")
	return o
}

func mustNotPoll(t *testing.T, f *hbh.Flow, now time.Time) {
	t.Helper()
	o, ok := f.Poll(now)
	require.False(t, ok, "%v", o)
}

func TestFlowConfig(t *testing.T) {
	for want, cfg := range map[string]hbh.FlowConfig{
		"LinkMTU 1279":      {LinkMTU: 1279},
		"AskInterval -1ns":  {LinkMTU: 1500, AskInterval: -1},
		"AskTimeout -1s":    {LinkMTU: 1500, AskTimeout: -time.Second},
		"ReplyInterval -1":  {LinkMTU: 1500, ReplyInterval: -1},
		"ReplyWait -1":      {LinkMTU: 1500, ReplyWait: -1},
		"Age -1ns":          {LinkMTU: 1500, Age: -1},
		"Suspend -1ns":      {LinkMTU: 1500, Suspend: -1},
		"MaxAsks -1":        {LinkMTU: 1500, MaxAsks: -1},
		"SuspendAfter -123": {LinkMTU: 1500, SuspendAfter: -123},
	} {
		_, err := hbh.NewFlow(cfg)
		assert.ErrorContains(t, err, want)
	}
}

func TestFirstRequest(t *testing.T) {
	f := newFlow(t, nil)
	f.SetPMTU(1280)
	mustNotPoll(t, f, at(0)) // H14: not before the upper layer is established
	assert.True(t, f.Next().IsZero())
	f.Start(at(0))
	assert.Equal(t, at(0), f.Next())
	// H1: Min-PMTU is the link MTU, not the path MTU in use. H3: nothing
	// received, so Rtn-PMTU is 0. H4: R asks.
	assert.Equal(t, hbh.Option{Min: 9000, R: true}, mustPoll(t, f, at(0)))
	// H10: the other packets of the flow go without it.
	_, ok := f.Outgoing(at(time.Millisecond), 1280, false)
	assert.False(t, ok)
}

func TestLinkMTU(t *testing.T) {
	f := newFlow(t, func(c *hbh.FlowConfig) { c.LinkMTU = 70000 })
	f.Start(at(0))
	assert.Equal(t, uint16(65535), mustPoll(t, f, at(0)).Min, "H1: as much as the field holds")
	f.SetLinkMTU(1500)
	f.SetLinkMTU(100) // no such IPv6 link
	assert.Equal(t, uint16(1500), mustPoll(t, f, f.Next()).Min)
}

// H2, H3: Rtn-PMTU is the last value received, then 0 when it is too old.
func TestReturnedValueAges(t *testing.T) {
	f := newFlow(t, nil)
	f.Start(at(0))
	mustPoll(t, f, at(0))
	f.Received(at(time.Second), heard(hbh.Option{Min: 4000}))
	f.Received(at(2*time.Second), heard(hbh.Option{Min: 1501}))
	o := mustPoll(t, f, at(3*time.Second))
	assert.Equal(t, uint16(1500), o.Rtn, "H2, D4: the latest, odd reported one lower")
	f.Received(at(4*time.Second), heard(hbh.Option{Min: 1400}))
	o = mustPoll(t, f, at(4*time.Second+10*time.Minute-1))
	assert.Equal(t, uint16(1400), o.Rtn)
	o = mustPoll(t, f, f.Next())
	assert.Equal(t, uint16(0), o.Rtn, "10 minutes old")
}

func TestAnswer(t *testing.T) {
	f := newFlow(t, func(c *hbh.FlowConfig) { c.Ask = false })
	mustNotPoll(t, f, at(0))
	f.Received(at(0), heard(hbh.Option{Min: 1400, R: true}))
	// D2: into the next packet. H5, H6: R clear in a packet that only answers.
	o, ok := f.Outgoing(at(0), 100, false)
	require.True(t, ok)
	assert.Equal(t, hbh.Option{Min: 9000, Rtn: 1400}, o)
	_, ok = f.Outgoing(at(0), 100, false)
	assert.False(t, ok, "once")
	// No other traffic: an empty packet is asked for.
	f.Received(at(time.Hour), heard(hbh.Option{Min: 1300, R: true}))
	assert.Equal(t, at(time.Hour), f.Next())
	assert.Equal(t, hbh.Option{Min: 9000, Rtn: 1300}, mustPoll(t, f, at(time.Hour)))
	// Without R no answer is due, but the value is kept (D4).
	f.Received(at(2*time.Hour), heard(hbh.Option{Min: 1290}))
	mustNotPoll(t, f, at(2*time.Hour))
	assert.Equal(t, uint64(2), f.Counters.Replied)
}

// D3: replies are rate limited, and the one that goes reports the latest value.
func TestAnswersAreLimited(t *testing.T) {
	f := newFlow(t, func(c *hbh.FlowConfig) { c.Ask = false })
	sent := 0
	for i := range 10_000 { // R in each of 1000 packets a second
		now := at(time.Duration(i) * time.Millisecond)
		f.Received(now, heard(hbh.Option{Min: 1400 + uint16(i%2)*100, R: true}))
		if o, ok := f.Poll(now); ok {
			sent++
			assert.Equal(t, 1400+uint16(i%2)*100, o.Rtn)
		}
	}
	assert.Equal(t, 10, sent)
	assert.Equal(t, uint64(10_000), f.Counters.Requests)
}

type budget int

func (b *budget) AllowN(time.Time, int) bool { *b--; return *b >= 0 }

func TestBudget(t *testing.T) {
	b := budget(1)
	f := newFlow(t, func(c *hbh.FlowConfig) { c.Ask, c.Budget = false, &b })
	f.Received(at(0), heard(hbh.Option{Min: 1400, R: true}))
	mustPoll(t, f, at(0))
	f.Received(at(time.Minute), heard(hbh.Option{Min: 1400, R: true}))
	mustNotPoll(t, f, at(time.Minute))
	assert.Equal(t, at(time.Minute+time.Second), f.Next(), "later, not dropped")
	b = 1
	assert.Equal(t, uint16(1400), mustPoll(t, f, f.Next()).Rtn)
	assert.Equal(t, uint64(1), f.Counters.Throttled)
	// A reply that waits too long for its budget is dropped.
	b = 0
	f.Received(at(time.Hour), heard(hbh.Option{Min: 1400, R: true}))
	mustNotPoll(t, f, at(time.Hour))
	mustNotPoll(t, f, at(time.Hour+10*time.Minute))
	assert.True(t, f.Next().IsZero())
	assert.Equal(t, uint64(1), f.Counters.Expired)
}

// D5, the simple variant: answer the first time and on change.
func TestAnswerOnChange(t *testing.T) {
	f := newFlow(t, func(c *hbh.FlowConfig) { c.Ask, c.OnChange = false, true })
	var got []uint16
	for i, m := range []uint16{1400, 1400, 1401, 1300, 1300, 1400} { // 1401 is reported as 1400
		now := at(time.Duration(i) * time.Minute)
		f.Received(now, heard(hbh.Option{Min: m, R: true}))
		if o, ok := f.Poll(now); ok {
			got = append(got, o.Rtn)
		}
	}
	assert.Equal(t, []uint16{1400, 1300, 1400}, got)
	assert.Equal(t, uint64(3), f.Counters.Unchanged)
}

// H11: no option in packets larger than the path MTU. H13: none with
// application data by default.
func TestCarrier(t *testing.T) {
	for _, c := range []struct {
		name     string
		size     int
		data     bool
		withData bool
		pmtu     int
		want     bool
	}{
		{"empty packet", 60, false, false, 1400, true},
		{"H11 as large as the path MTU", 1400, false, false, 1400, true},
		{"H11 larger", 1401, false, false, 1400, false},
		{"H11 larger than the link", 9001, false, false, 0, false},
		{"H13 data", 60, true, false, 1400, false},
		{"H13 data, retransmission promised", 60, true, true, 1400, true},
		{"H11 data, larger", 1401, true, true, 1400, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFlow(t, func(cfg *hbh.FlowConfig) { cfg.WithData = c.withData })
			f.SetPMTU(c.pmtu)
			f.Start(at(0))
			_, ok := f.Outgoing(at(0), c.size, c.data)
			assert.Equal(t, c.want, ok)
			_, ok = f.Poll(at(0))
			assert.Equal(t, !c.want, ok, "what was not sent is still due")
		})
	}
}

// A reply can wait for a packet that is sent anyhow.
func TestReplyWait(t *testing.T) {
	f := newFlow(t, func(c *hbh.FlowConfig) { c.Ask, c.WithData, c.ReplyWait = false, true, 50*time.Millisecond })
	f.Received(at(0), heard(hbh.Option{Min: 1400, R: true}))
	mustNotPoll(t, f, at(49*time.Millisecond))
	assert.Equal(t, at(50*time.Millisecond), f.Next())
	_, ok := f.Outgoing(at(49*time.Millisecond), 1000, true)
	assert.True(t, ok)
	f.Received(at(time.Minute), heard(hbh.Option{Min: 1400, R: true}))
	mustPoll(t, f, at(time.Minute+50*time.Millisecond))
}

// H12: while the link MTU exceeds the path MTU, the path is measured again
// from time to time; each measurement has a few requests at most.
func TestPeriodicRequests(t *testing.T) {
	f := newFlow(t, nil)
	f.SetPMTU(1500)
	f.Start(at(0))
	var sent []time.Duration
	for now := f.Next(); now.Before(at(25 * time.Minute)); now = f.Next() {
		o := mustPoll(t, f, now)
		require.True(t, o.R)
		sent = append(sent, now.Sub(epoch))
	}
	m := []time.Duration{0, 3 * time.Second, 6 * time.Second}
	for i := 1; i < 3; i++ {
		start := m[len(m)-1] + 10*time.Minute
		m = append(m, start, start+3*time.Second, start+6*time.Second)
	}
	assert.Equal(t, m, sent, "unanswered: 3 requests every 10 minutes")

	// Answered: one.
	now := f.Next()
	mustPoll(t, f, now)
	r := f.Received(now.Add(20*time.Millisecond), heard(hbh.Option{Min: 9000, Rtn: 4000}))
	assert.Equal(t, hbh.Report{MTU: 4000, Changed: true}, r)
	assert.Equal(t, now.Add(20*time.Millisecond+10*time.Minute), f.Next())

	// Nothing to gain: the path MTU in use reached the link's.
	f.SetPMTU(9000)
	assert.True(t, f.Next().IsZero())
	mustNotPoll(t, f, at(time.Hour))
	f.SetPMTU(4000)
	mustPoll(t, f, at(time.Hour))
}

// H10: the upper layer can ask for a measurement.
func TestAskNow(t *testing.T) {
	f := newFlow(t, nil)
	f.Ask(at(0))
	mustNotPoll(t, f, at(0)) // not started
	f.Start(at(0))
	mustPoll(t, f, at(0))
	f.Ask(at(time.Second))
	mustNotPoll(t, f, at(time.Second)) // one is under way
	f.Received(at(time.Second), heard(hbh.Option{Min: 9000, Rtn: 1400}))
	f.Ask(at(time.Minute))
	mustPoll(t, f, at(time.Minute))
	g := newFlow(t, func(c *hbh.FlowConfig) { c.Ask = false })
	g.Start(at(0))
	g.Ask(at(0))
	mustNotPoll(t, g, at(0)) // H6: a host that only answers never asks
}

// What is believed of a report, and what is not.
func TestHints(t *testing.T) {
	for _, c := range []struct {
		name string
		ob   hbh.Observed
		want hbh.Report
	}{
		{"a hint", heard(hbh.Option{Min: 9000, Rtn: 4000}), hbh.Report{MTU: 4000, Changed: true}},
		{"as large as the link", heard(hbh.Option{Min: 9000, Rtn: 9000}), hbh.Report{MTU: 9000, Changed: true}},
		{"D7 over the link", heard(hbh.Option{Min: 9000, Rtn: 9002}), hbh.Report{Rejected: hbh.RtnAboveLink}},
		{"D7 far over the link", heard(hbh.Option{Min: 9000, Rtn: 65534}), hbh.Report{Rejected: hbh.RtnAboveLink}},
		{"D8 1280", heard(hbh.Option{Min: 9000, Rtn: 1280}), hbh.Report{MTU: 1280, Changed: true}},
		{"D8 under 1280", heard(hbh.Option{Min: 9000, Rtn: 1278}), hbh.Report{Rejected: hbh.RtnTooSmall}},
		{"D8 nothing reported", heard(hbh.Option{Min: 9000}), hbh.Report{Rejected: hbh.NothingReported}},
		{"no option", hbh.Observed{}, hbh.Report{Rejected: hbh.NoOption}},
		{"wrong length", hbh.Observed{BadLength: 1}, hbh.Report{Rejected: hbh.NoOption}},
		{"in destination options", hbh.Observed{Misplaced: 1}, hbh.Report{Rejected: hbh.NoOption}},
		{"duplicates that disagree", observed(withOptions(option(hbh.Option{Min: 9000, Rtn: 1400}), option(hbh.Option{Min: 9000, Rtn: 1500}))), hbh.Report{Rejected: hbh.RtnsDiffer}},
		{"duplicates that agree", observed(withOptions(option(hbh.Option{Min: 9000, Rtn: 1400}), option(hbh.Option{Min: 9000, Rtn: 1400}))), hbh.Report{MTU: 1400, Changed: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFlow(t, nil)
			assert.Equal(t, c.want, f.Received(at(0), c.ob))
			if c.want.Rejected != hbh.NotRejected {
				assert.Equal(t, uint64(1), f.Counters.Rejected[c.want.Rejected], "rejects are counted by cause")
				assert.NotEqual(t, "unknown", c.want.Rejected.String())
			} else {
				assert.Equal(t, uint64(1), f.Counters.Hints)
				again := f.Received(at(1), c.ob)
				assert.Equal(t, hbh.Report{MTU: c.want.MTU}, again, "not changed")
			}
		})
	}
}

// D9: a value is a hint whenever it comes, also out of order; the flow keeps
// no size of its own that it could raise.
func TestHintsAreOnlyHints(t *testing.T) {
	f := newFlow(t, nil)
	f.SetPMTU(1400)
	f.Start(at(0))
	mustPoll(t, f, at(0))
	assert.Equal(t, 9000, f.Received(at(1), heard(hbh.Option{Min: 9000, Rtn: 9000})).MTU)
	f.Ask(at(2))
	mustPoll(t, f, at(2)) // still measures: the path MTU in use is 1400
	_, ok := f.Outgoing(at(3), 1401, false)
	assert.False(t, ok)
	assert.Equal(t, 1280, f.Received(at(4), heard(hbh.Option{Min: 9000, Rtn: 1280})).MTU)
}

// D1: a Min-PMTU under 1280 is neither kept nor returned, and its R is not
// answered, for there is nothing to report.
func TestSmallMin(t *testing.T) {
	f := newFlow(t, func(c *hbh.FlowConfig) { c.Ask = false })
	f.Received(at(0), heard(hbh.Option{Min: 1279, R: true}))
	mustNotPoll(t, f, at(0))
	f.Received(at(1), heard(hbh.Option{Min: 1400}))
	f.Received(at(2), heard(hbh.Option{Min: 0, R: true}))
	assert.Equal(t, uint16(1400), mustPoll(t, f, at(2)).Rtn, "the last valid value stays")
	assert.Equal(t, uint64(2), f.Counters.MinTooSmall)
}

// D6: a packet that the upper layer refused changes nothing.
func TestUnvalidated(t *testing.T) {
	f := newFlow(t, func(c *hbh.FlowConfig) { c.Ask = false })
	f.Unvalidated()
	mustNotPoll(t, f, at(0))
	assert.Equal(t, hbh.FlowCounters{Unvalidated: 1}, f.Counters)
}

// D11: losses in a row, or an error that blames the option, suspend it for a
// time.
func TestSuspend(t *testing.T) {
	f := newFlow(t, nil)
	f.Start(at(0))
	mustPoll(t, f, at(0))
	f.Lost(at(1))
	f.Lost(at(2))
	f.Acked()
	f.Lost(at(3))
	f.Lost(at(4))
	assert.False(t, f.Suspended(at(4)))
	f.Lost(at(5))
	assert.True(t, f.Suspended(at(5)))
	f.Received(at(6), heard(hbh.Option{Min: 1400, R: true}))
	mustNotPoll(t, f, at(time.Minute))
	assert.Equal(t, at(5).Add(10*time.Minute), f.Next())
	assert.Equal(t, hbh.Option{Min: 9000, Rtn: 1400, R: true}, mustPoll(t, f, f.Next()), "tries again")
	f.Refused(at(20 * time.Minute))
	mustNotPoll(t, f, at(29*time.Minute))
	assert.Equal(t, uint64(2), f.Counters.Suspended)
}

func TestCountersByCause(t *testing.T) {
	f := newFlow(t, nil)
	f.Received(at(0), hbh.Observed{BadLength: 2, Misplaced: 1, Historical: 3, Problem: ip6.Problem{Reason: ip6.OptionOverrun}})
	f.Received(at(0), hbh.Observed{Count: 2, Min: 1500, SmallMin: 1, R: true})
	c := f.Counters
	assert.Equal(t, []uint64{2, 1, 3, 1, 1, 1, 1, 1}, []uint64{c.BadLength, c.Misplaced, c.Historical, c.Malformed, c.Received, c.Duplicates, c.MinTooSmall, c.Requests})
}

// wire carries what one flow sends across routers to another.
func wire(o hbh.Option, links ...int) hbh.Observed {
	p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(0), ip6test.HopByHop(option(o)))
	for _, mtu := range links {
		hbh.Rewrite(p, mtu, ip6.Limits{})
	}
	return observed(p)
}

// H4 to H6 and the loop guard: two hosts that both measure learn both
// directions in one round trip and then are silent.
func TestNoRequestLoop(t *testing.T) {
	a, b := newFlow(t, nil), newFlow(t, nil)
	a.Start(at(0))
	b.Start(at(0))
	there, back := []int{9000, 4000, 9000}, []int{9000, 1501}
	packets := 0
	var hintA, hintB int
	for now := at(0); now.Before(at(time.Hour)); {
		// Deliver with 10 ms of delay until both have nothing to send.
		o, okA := a.Poll(now)
		r, okB := b.Poll(now)
		arrive := now.Add(10 * time.Millisecond)
		if okA {
			packets++
			if rep := b.Received(arrive, wire(o, there...)); rep.MTU > 0 {
				hintB = rep.MTU
			}
		}
		if okB {
			packets++
			if rep := a.Received(arrive, wire(r, back...)); rep.MTU > 0 {
				hintA = rep.MTU
			}
		}
		next := a.Next()
		if n := b.Next(); next.IsZero() || !n.IsZero() && n.Before(next) {
			next = n
		}
		require.False(t, next.IsZero())
		if next.Before(arrive) {
			next = arrive
		}
		now = next
	}
	assert.Equal(t, 4000, hintA)
	assert.Equal(t, 1500, hintB)
	assert.LessOrEqual(t, packets, 6*5, "a measurement every 10 minutes: two requests, two answers and what they cross")
}
