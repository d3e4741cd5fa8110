package probe

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
)

func outcome(method string, d results.Direction, size int, v results.Verdict) Outcome {
	o := Outcome{Confidence: 0.9, LocalMTU: 1500, Step: 1, Method: results.Method{Method: method, Direction: d, Verdict: v}}
	if size != 0 {
		o.PMTU = &size
	} else {
		o.Method.Error = method + " failed"
	}
	return o
}

// TestReconcile: what several methods found makes one verdict.
func TestReconcile(t *testing.T) {
	icmp := func(size int, v results.Verdict) Outcome { return outcome("icmp", results.RoundTrip, size, v) }
	udp := func(size int, v results.Verdict) Outcome { return outcome("udp", results.Forward, size, v) }
	server := func(name string, step, size int, v results.Verdict) Outcome {
		o := outcome(name, results.Forward, size, v)
		o.Server, o.Step = true, step
		return o
	}
	dns := func(size int, v results.Verdict) Outcome { return server("dns", 1, size, v) }
	stun := func(size int, v results.Verdict) Outcome { return server("stun", 4, size, v) }
	tests := []struct {
		name       string
		found      []Outcome
		pmtu       int
		verdict    results.Verdict
		direction  results.Direction
		confidence float64
		problem    string
	}{
		{"one", []Outcome{icmp(1500, results.OK)}, 1500, results.OK, results.RoundTrip, 0.9, ""},
		{"the second only", []Outcome{icmp(0, results.Unresponsive), udp(1400, results.OK)}, 1400, results.OK, results.Forward, 0.9, ""},
		{"they agree", []Outcome{icmp(1400, results.OKSilent), udp(1400, results.OKSilent)}, 1400, results.OKSilent, results.RoundTrip, 0.99, ""},
		{"the way back is narrower", []Outcome{icmp(1400, results.OKSilent), udp(1500, results.OK)}, 1500, results.ReverseLimit, results.Forward, 0.9, ""},
		{"the server has a limit", []Outcome{dns(1260, results.OKSilent), icmp(1500, results.OK)}, 1500, results.OK, results.RoundTrip, 0.9, ""},
		{"a coarse method agrees", []Outcome{stun(1412, results.OK), icmp(1413, results.OK)}, 1413, results.OK, results.RoundTrip, 0.99, ""},
		{"a coarse method doesn't", []Outcome{stun(1408, results.OK), icmp(1413, results.OK)}, 0, results.Inconsistent, results.RoundTrip, 0, "icmp says 1413, stun says 1408 bytes"},
		{"three", []Outcome{icmp(1400, results.OKSilent), dns(1260, results.OKSilent), udp(1500, results.OK)}, 1500, results.ReverseLimit, results.Forward, 0.9, ""},
		{"the host asks for less", []Outcome{udp(1240, results.ResponderLimit), icmp(1500, results.OK)}, 1500, results.OK, results.RoundTrip, 0.9, ""},
		{"the host asks for as much as arrives", []Outcome{udp(1400, results.ResponderLimit), icmp(1400, results.OKSilent)}, 1400, results.OKSilent, results.RoundTrip, 0.99, ""},
		{"flows differ", []Outcome{udp(1500, results.OK), udp(1400, results.OK)}, 0, results.Inconsistent, results.Forward, 0, "flows differ: 1500 bytes by , 1400 by "},
		{"they contradict", []Outcome{icmp(1500, results.OK), udp(1400, results.OKSilent)}, 0, results.Inconsistent, results.RoundTrip, 0, "icmp says 1500, udp says 1400 bytes"},
		{"neither", []Outcome{icmp(0, results.Unresponsive), udp(0, results.Unresponsive)}, 0, results.Unresponsive, results.RoundTrip, 0.9, "icmp failed; udp failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := &results.Record{Schema: 1, Target: "x", Family: 4, Vantage: results.Vantage{MTU: 1500}}
			Reconcile(r, test.found)
			if test.pmtu == 0 {
				assert.Nil(t, r.PMTU)
			} else if assert.NotNil(t, r.PMTU) {
				assert.Equal(t, test.pmtu, *r.PMTU)
			}
			assert.Equal(t, test.verdict, r.Verdict)
			assert.Equal(t, test.direction, r.Direction)
			assert.InDelta(t, test.confidence, r.Confidence, 1e-9)
			assert.Equal(t, test.problem, r.Error)
			assert.Len(t, r.Methods, len(test.found))
			require.NoError(t, r.Validate())
		})
	}
}
