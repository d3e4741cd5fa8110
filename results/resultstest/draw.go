// Package resultstest makes records for tests: any that are valid, and such as
// a survey of a made-up Internet would find.
package resultstest

import (
	"math"
	"time"

	"pgregory.net/rapid"

	"pathmtu/results"
)

// Draw draws any valid record, in the form of results.Record.Canonical.
func Draw(t *rapid.T) *results.Record {
	text := rapid.OneOf(rapid.SampledFrom([]string{"", "a", `x "y", z`, "=1+1", "ünï", " blank ", "[1]", "{", "a\nb"}), rapid.String())
	address := rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.77", "2001:db8::1", "2001:db8::ffff", "fe80::1%eth0", ""})
	target := rapid.OneOf(rapid.SampledFrom([]string{"192.0.2.1", "2001:DB8::1", "example.net", "Example.NET."}), rapid.StringN(1, 20, 40))
	small := rapid.IntRange(0, 70000)
	size := func(label string) *int {
		if !rapid.Bool().Draw(t, label+"?") {
			return nil
		}
		n := rapid.IntRange(1, results.MaxSize).Draw(t, label)
		return &n
	}
	outcome := func() (*int, results.Verdict, results.Direction, string) {
		v := rapid.SampledFrom(append(results.Verdicts(), results.NoVerdict)).Draw(t, "verdict")
		d := rapid.SampledFrom(results.Directions()).Draw(t, "direction")
		problem := text.Draw(t, "error")
		if v == results.NoVerdict && problem == "" {
			problem = results.Interrupted
		}
		pmtu := size("pmtu")
		if v == results.NoVerdict || v == results.Unresponsive || v == results.Refused {
			pmtu = nil
		}
		return pmtu, v, d, problem
	}
	r := &results.Record{
		Schema: rapid.IntRange(1, results.Schema).Draw(t, "schema"), Tool: text.Draw(t, "tool"), Run: text.Draw(t, "run"),
		Time:   time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(t, "time"), rapid.Int64Range(0, 999999999).Draw(t, "ns")),
		Target: target.Draw(t, "target"), Address: address.Draw(t, "address"), Family: rapid.SampledFrom([]int{4, 6}).Draw(t, "family"),
		AS: rapid.Uint32().Draw(t, "as"),
		Vantage: results.Vantage{
			Name: text.Draw(t, "vantage"), Source: address.Draw(t, "source"), Interface: text.Draw(t, "interface"), MTU: small.Draw(t, "mtu"),
		},
		Confidence: rapid.Float64Range(0, 1).Draw(t, "confidence"),
		Evidence:   rapid.SliceOfN(text, 0, 2).Draw(t, "evidence"),
	}
	r.PMTU, r.Verdict, r.Direction, r.Error = outcome()
	if r.Error != "" && rapid.Bool().Draw(t, "unresolved") {
		r.Family = 0
	}
	if rapid.Bool().Draw(t, "worker") {
		r.Worker = drawWorker(t, text)
	}
	for range rapid.IntRange(0, 2).Draw(t, "methods") {
		m := results.Method{
			Method: rapid.SampledFrom([]string{"icmp", "udp", "quic"}).Draw(t, "method"), Flow: text.Draw(t, "flow"),
			ProbesSent: small.Draw(t, "sent"), BytesSent: rapid.Int64Range(0, 1<<50).Draw(t, "bytes"),
			RTT: rapid.Int64Range(0, 1e9).Draw(t, "rtt"), Elapsed: rapid.Int64Range(0, 1e10).Draw(t, "elapsed"),
		}
		m.ProbesLost = rapid.IntRange(0, m.ProbesSent).Draw(t, "lost")
		m.PMTU, m.Verdict, m.Direction, m.Error = outcome()
		r.Methods = append(r.Methods, m)
	}
	if rapid.Bool().Draw(t, "bottleneck") {
		r.Bottleneck = &results.Bottleneck{Hop: small.Draw(t, "hop"), Addr: address.Draw(t, "addr"), Evidence: text.Draw(t, "why")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "ptb") {
		r.PTB = append(r.PTB, results.PTB{
			From: address.Draw(t, "from"), Hop: small.Draw(t, "hop"), MTU: rapid.IntRange(0, math.MaxUint32).Draw(t, "mtu"),
			Grade: rapid.SampledFrom(results.Grades()).Draw(t, "grade"), Count: small.Draw(t, "count"),
		})
	}
	for range rapid.IntRange(0, 2).Draw(t, "loss") {
		l := results.Loss{Size: small.Draw(t, "size"), Sent: small.Draw(t, "sent")}
		l.Lost = rapid.IntRange(0, l.Sent).Draw(t, "lost")
		r.Loss = append(r.Loss, l)
	}
	if rapid.Bool().Draw(t, "hbh") {
		r.HBH = &results.HBH{Sent: rapid.Bool().Draw(t, "sent"), Survived: rapid.Bool().Draw(t, "survived"), MinPMTU: small.Draw(t, "min"), RewrittenAt: address.Draw(t, "at")}
	}
	if rapid.Bool().Draw(t, "truncation") {
		r.Truncation = &results.Truncation{Sent: rapid.Bool().Draw(t, "sent"), Survived: rapid.Bool().Draw(t, "survived"), MTU: small.Draw(t, "mtu")}
	}
	if rapid.Bool().Draw(t, "mss") {
		r.MSS = &results.MSS{Sent: small.Draw(t, "sent"), Received: small.Draw(t, "received"), Clamped: rapid.Bool().Draw(t, "clamped"), At: address.Draw(t, "at")}
	}
	return r.Canonical()
}

func drawWorker(t *rapid.T, text *rapid.Generator[string]) *results.Worker {
	w := &results.Worker{
		ID: rapid.SampledFrom([]string{"w", "a,b", "ünï"}).Draw(t, "id"), Host: text.Draw(t, "host"),
		PID: rapid.IntRange(0, 1<<22).Draw(t, "pid"), Epoch: rapid.Uint32().Draw(t, "epoch"),
	}
	if rapid.Bool().Draw(t, "clock") {
		o, e := rapid.Int64Range(-1<<50, 1<<50).Draw(t, "offset"), rapid.Int64Range(0, 1<<50).Draw(t, "wrong")
		w.ClockOffset, w.ClockError = &o, &e
	}
	return w
}
