package internet

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"pathmtu/results"
)

// TestVerdict: what a measurement should say of each kind of path.
func TestVerdict(t *testing.T) {
	full := Host{Family: 6, Exists: true, Echo: true, MTU: 1500, Reverse: 1500, PTB: PTBNone}
	narrow := func(ptb string, change func(h *Host)) Host {
		h := full
		h.MTU, h.PTB, h.Bottleneck = 1400, ptb, 3
		if change != nil {
			change(&h)
		}
		return h
	}
	for _, c := range []struct {
		name string
		host Host
		want results.Verdict
	}{
		{"nothing is narrow", full, results.OK},
		{"nobody", Host{MTU: 1500, PTB: PTBNone}, results.Unresponsive},
		{"deaf", Host{Exists: true, ClosedPort: true, MTU: 1500, PTB: PTBNone}, results.Unresponsive},
		{"told", narrow(PTBDelivered, nil), results.OK},
		{"told now and then", narrow(PTBLimited, nil), results.OK},
		{"told a wrong number", narrow(PTBLying, nil), results.OK},
		{"silent", narrow(PTBFiltered, nil), results.OKSilent},
		{"only a wider one speaks", narrow(PTBFiltered, func(h *Host) { h.Wider, h.WiderHop = 1450, 2 }), results.OKSilent},
		{"both speak", narrow(PTBDelivered, func(h *Host) { h.Wider, h.WiderHop = 1450, 2 }), results.OK},
		{"the host ignores what is larger", narrow(PTBDelivered, func(h *Host) { h.EchoMax = 1300 }), results.OKSilent},
		{"the way back is narrower", narrow(PTBDelivered, func(h *Host) { h.Reverse = 1300 }), results.OKSilent},
	} {
		assert.Equal(t, c.want, c.host.Verdict("icmp"), c.name)
	}
	udp := narrow(PTBDelivered, func(h *Host) { h.ClosedPort, h.Reverse = true, 1300 })
	assert.Equal(t, results.OK, udp.Verdict("udp"), "its answers are small")
}
