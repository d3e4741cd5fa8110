package resultstest

import (
	"time"

	"pathmtu/results"
)

// Example returns a record in which every field is set.
func Example() *results.Record {
	size := func(n int) *int { return &n }
	offset, wrong := int64(-1500), int64(800)
	return &results.Record{
		Schema: results.Schema, Tool: "pmtu test", Run: "r1", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Target: "example.net", Address: "2001:db8::1", Family: 6, AS: 64500,
		Vantage: results.Vantage{Name: "here", Source: "2001:db8::2", Interface: "eth0", MTU: 1500},
		Worker:  &results.Worker{ID: "w1", Host: "host", PID: 7, Epoch: 2, ClockOffset: &offset, ClockError: &wrong},
		Methods: []results.Method{{
			Method: "icmp", Flow: "a > b", PMTU: size(1420), Verdict: results.OK, Direction: results.RoundTrip,
			ProbesSent: 4, ProbesLost: 1, BytesSent: 4000, RTT: 20000, Elapsed: 90000, Error: "none",
		}},
		PMTU: size(1420), Verdict: results.OK, Confidence: 0.99, Direction: results.RoundTrip,
		Bottleneck: &results.Bottleneck{Hop: 1, Addr: "2001:db8::ff", Evidence: "Packet Too Big"},
		PTB:        []results.PTB{{From: "2001:db8::ff", Hop: 1, MTU: 1420, Grade: results.Exact, Count: 2}},
		Loss:       []results.Loss{{Size: 1500, Sent: 1, Lost: 1}},
		HBH:        &results.HBH{Sent: true, Survived: true, MinPMTU: 1420, RewrittenAt: "2001:db8::ff"},
		Truncation: &results.Truncation{Sent: true, MTU: 1420},
		MSS:        &results.MSS{Sent: 1440, Received: 1380, Clamped: true, At: "2001:db8::ff"},
		Evidence:   []string{"<b>"},
		Error:      "none",
	}
}
