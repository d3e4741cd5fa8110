package host

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/plpmtud/udpopt"
)

// udpProbe is a datagram of IPv6 length size with a request.
func udpProbe(t *testing.T, port uint16, data string, tok udpopt.Token, size int) ip6.Packet {
	d, err := udpopt.AppendDatagram(nil, netip.AddrPortFrom(peer, 5000), netip.AddrPortFrom(us, port), []byte(data), udpopt.AppendREQ(nil, tok), size-40)
	require.NoError(t, err)
	return append(ip6.AppendHeader(nil, fields(ip6.ProtoUDP), len(d)), d...)
}

// answered returns what the UDP part of an answer says.
func answered(t *testing.T, p ip6.Packet) udpopt.Received {
	up, problem := p.FindUpper(ip6.Limits{})
	require.Equal(t, ip6.NoProblem, problem.Reason)
	r := udpopt.Receive(p.Src(), p.Dst(), p[up.Off:])
	require.Equal(t, udpopt.Deliver, r.Do)
	require.NoError(t, r.Err)
	return r
}

func poll(h *Host, now time.Time) (out []ip6.Packet) {
	h.Poll(now, func(b []byte) { out = append(out, append(ip6.Packet(nil), b...)) })
	return out
}

func TestProbesOfUDPOptions(t *testing.T) {
	h := newHost(t, nil)
	assert.Empty(t, ask(t, h, udpProbe(t, 7, "", 0x01020304, 1500), t0), "the echo does not get to see a probe")
	require.False(t, h.Next().IsZero())
	out := poll(h, t0)
	require.Len(t, out, 1)
	assert.Less(t, len(out[0]), 80, "the answer is small")
	tok, ok := answered(t, out[0]).Options.RES()
	assert.True(t, ok)
	assert.EqualValues(t, 0x01020304, tok)

	out = ask(t, h, udpProbe(t, 7, "data", 0x05060708, 400), t0)
	require.Len(t, out, 1, "data are echoed, and take the answer along")
	r := answered(t, out[0])
	tok, _ = r.Options.RES()
	assert.EqualValues(t, 0x05060708, tok)
	assert.Equal(t, "data", string(r.UserData))

	assert.EqualValues(t, 2, h.Counters().Probes)
	assert.EqualValues(t, 1, h.Counters().UDPEchoes)

	out = ask(t, h, udpProbe(t, 8, "", 1, 400), t0)
	require.Len(t, out, 1)
	assert.Equal(t, []byte{1, 4}, []byte(out[0][40:42]), "a closed port stays closed")
}

// The answers are limited in rate, for each peer.
func TestProbesAreAnsweredAtALimitedRate(t *testing.T) {
	h := newHost(t, nil)
	n := 0
	for i := range 100 {
		ask(t, h, udpProbe(t, 7, "", udpopt.Token(i+1), 400), t0)
		n += len(poll(h, t0))
	}
	assert.Equal(t, resBurst, n)
	assert.Len(t, poll(h, h.Next()), 1, "the last one is answered later")
}

// The answer takes the option 0x30 along.
func TestProbeWithMinPMTU(t *testing.T) {
	h := newHost(t, nil)
	p := insert(udpProbe(t, 7, "", 9, 400), ip6.ProtoHopByHop, minPMTU(1400, 0, true))
	assert.Empty(t, ask(t, h, p, t0))
	out := poll(h, t0)
	require.Len(t, out, 1, "one packet for both")
	assert.EqualValues(t, 1400, hbh.Observe(out[0], ip6.Limits{}).Rtn)
}

func TestNoUDPOptions(t *testing.T) {
	h := newHost(t, func(c *Config) { c.NoUDPOptions = true })
	out := ask(t, h, udpProbe(t, 7, "", 9, 400), t0)
	require.Len(t, out, 1)
	assert.Len(t, out[0], 48, "an empty datagram, echoed")
	assert.Empty(t, poll(h, t0))
}
