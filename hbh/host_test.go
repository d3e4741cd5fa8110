package hbh_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

func key(n int) hbh.Key {
	return hbh.Key{Local: netip.MustParseAddrPort("[2001:db8::1]:443"), Remote: netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(n >> 8), 15: byte(n)}), 4000), Proto: ip6.ProtoUDP}
}

func newHost(t require.TestingT, change func(*hbh.HostConfig)) *hbh.Host {
	cfg := hbh.HostConfig{Flow: hbh.FlowConfig{LinkMTU: 9000}}
	if change != nil {
		change(&cfg)
	}
	h, err := hbh.NewHost(cfg)
	require.NoError(t, err)
	return h
}

var request = hbh.Observed{Count: 1, Min: 1400, R: true}

func TestHostConfig(t *testing.T) {
	flow := hbh.FlowConfig{LinkMTU: 1500}
	for want, cfg := range map[string]hbh.HostConfig{
		"LinkMTU 0":       {},
		"Flows -1":        {Flow: flow, Flows: -1},
		"Destinations -2": {Flow: flow, Destinations: -2},
		"ReplyRate -1":    {Flow: flow, ReplyRate: -1},
		"ReplyBurst -3":   {Flow: flow, ReplyBurst: -3},
	} {
		_, err := hbh.NewHost(cfg)
		assert.ErrorContains(t, err, want)
	}
}

// D2 with no reverse traffic: the host says which flow owes an empty packet.
func TestHostAnswers(t *testing.T) {
	h := newHost(t, nil)
	h.Received(at(0), key(1), request)
	h.Received(at(1), key(2), hbh.Observed{Count: 1, Min: 1500}) // asks nothing
	h.Received(at(2), key(3), hbh.Observed{})                    // no option: no flow
	assert.Equal(t, 2, h.Len())
	assert.Equal(t, at(0), h.Next())
	k, o, ok := h.Poll(at(2))
	require.True(t, ok)
	assert.Equal(t, key(1), k)
	assert.Equal(t, hbh.Option{Min: 9000, Rtn: 1400}, o)
	_, _, ok = h.Poll(at(2))
	assert.False(t, ok)
	assert.True(t, h.Next().IsZero())
	// An outgoing packet takes an answer along.
	h.Received(at(time.Minute), key(2), request)
	o, ok = h.Outgoing(at(time.Minute), key(2), 100, false)
	require.True(t, ok)
	assert.Equal(t, uint16(1400), o.Rtn)
	_, ok = h.Outgoing(at(time.Minute), key(9), 100, false)
	assert.False(t, ok, "unknown flow")
}

// A flood of requests from many peers: bounded memory, bounded replies, and a
// flow that was opened here survives.
func TestHostFlood(t *testing.T) {
	h := newHost(t, func(c *hbh.HostConfig) { c.Flows, c.Destinations, c.ReplyRate, c.ReplyBurst = 100, 50, 10, 5 })
	require.NoError(t, h.Open(at(0), key(0), hbh.FlowConfig{LinkMTU: 9000, Ask: true}))
	replies, requests := 0, 0
	for i := range 20_000 {
		now := at(time.Duration(i) * time.Millisecond)
		h.Received(now, key(1+i%30_000), hbh.Observed{Count: 1, Min: 1400, Rtn: 1400, R: true})
		for k, o, ok := h.Poll(now); ok; k, o, ok = h.Poll(now) {
			if o.R {
				require.Equal(t, key(0), k)
				requests++
			} else {
				replies++
			}
		}
	}
	assert.Equal(t, 100, h.Len())
	assert.NotNil(t, h.Flow(key(0)))
	assert.Equal(t, uint64(20_001-100), h.Evicted)
	assert.InDelta(t, 5+20*10, replies, 5, "5 at once, 10 a second for 20 s")
	assert.LessOrEqual(t, requests, 3)
	assert.Zero(t, h.Refused)
}

func TestHostFull(t *testing.T) {
	h := newHost(t, func(c *hbh.HostConfig) { c.Flows = 2 })
	require.NoError(t, h.Open(at(0), key(1), hbh.FlowConfig{LinkMTU: 1500}))
	require.NoError(t, h.Open(at(0), key(2), hbh.FlowConfig{LinkMTU: 1500}))
	assert.ErrorContains(t, h.Open(at(0), key(3), hbh.FlowConfig{LinkMTU: 1500}), "all 2 flows")
	assert.Equal(t, hbh.Report{Rejected: hbh.NoOption}, h.Received(at(0), key(3), request))
	assert.Equal(t, uint64(1), h.Refused)
	h.Close(key(1))
	h.Close(key(1))
	h.Received(at(0), key(3), request)
	assert.Equal(t, 2, h.Len())
	assert.ErrorContains(t, h.Open(at(0), key(4), hbh.FlowConfig{LinkMTU: 2}), "LinkMTU 2")
}

// Flows of peers are forgotten when what they sent is too old to be returned.
func TestHostForgets(t *testing.T) {
	h := newHost(t, nil)
	for i := range 5 {
		h.Received(at(time.Duration(i)*time.Minute), key(i), request)
	}
	h.Poll(at(12 * time.Minute))
	assert.Equal(t, 2, h.Len())
	assert.Nil(t, h.Flow(key(2)))
	assert.NotNil(t, h.Flow(key(3)))
}

// A flow that the peer began and this host then opens keeps what it owes.
func TestHostTakesOver(t *testing.T) {
	h := newHost(t, nil)
	h.Received(at(0), key(1), request)
	require.NoError(t, h.Open(at(1), key(1), hbh.FlowConfig{LinkMTU: 9000, Ask: true}))
	_, o, ok := h.Poll(at(1))
	require.True(t, ok)
	assert.Equal(t, hbh.Option{Min: 9000, Rtn: 1400, R: true}, o)
	assert.Equal(t, 1, h.Len())
}

// H7, H8, H9: what an option reports about a destination serves other flows as
// a place to begin; only a confirmed size raises it.
func TestDestination(t *testing.T) {
	h := newHost(t, nil)
	k := key(1)
	other := k
	other.Remote = netip.AddrPortFrom(k.Remote.Addr(), 999)
	addr := k.Remote.Addr()
	require.NoError(t, h.Open(at(0), k, hbh.FlowConfig{LinkMTU: 9000, Ask: true}))
	assert.Zero(t, h.Destination(at(0), addr).Start())

	h.Received(at(1), k, hbh.Observed{Count: 1, Min: 9000, Rtn: 4000})
	d := h.Destination(at(1), addr)
	assert.Equal(t, 4000, d.Suggested, "H7")
	assert.Zero(t, d.Start(), "H9: not raised by the option")

	h.Confirmed(at(2), k, 4000)
	assert.Equal(t, 4000, h.Destination(at(2), addr).Start(), "H8, H9: raised by a confirmed probe")

	h.Received(at(3), other, hbh.Observed{Count: 1, Min: 9000, Rtn: 1400})
	d = h.Destination(at(3), addr)
	assert.Equal(t, 1400, d.Start(), "H7: a new flow begins lower")
	assert.Equal(t, 4000, d.Confirmed, "D10: the other flow's size is not touched")
	o, ok := h.Outgoing(at(3), k, 4001, false)
	assert.False(t, ok, "%v", o)

	h.Received(at(4), other, hbh.Observed{Count: 1, Min: 9000, Rtn: 9000})
	assert.Equal(t, 4000, h.Destination(at(4), addr).Start(), "H9")
	h.Confirmed(at(5), k, 1300)
	assert.Equal(t, 1300, h.Destination(at(5), addr).Start())
	assert.Zero(t, h.Destination(at(5).Add(10*time.Minute), addr).Start(), "forgotten after 10 minutes")
	h.Confirmed(at(time.Hour), k, 1300)
	assert.Zero(t, h.Destination(at(time.Hour), addr).Suggested)
}

// D10: what is received is kept for each flow.
func TestFlowsAreApart(t *testing.T) {
	h := newHost(t, nil)
	a, b := key(1), key(1)
	b.Local = netip.MustParseAddrPort("[2001:db8::1]:80")
	h.Received(at(0), a, hbh.Observed{Count: 1, Min: 1400, R: true})
	h.Received(at(0), b, hbh.Observed{Count: 1, Min: 1500, R: true})
	got := map[hbh.Key]uint16{}
	for k, o, ok := h.Poll(at(0)); ok; k, o, ok = h.Poll(at(0)) {
		got[k] = o.Rtn
	}
	assert.Equal(t, map[hbh.Key]uint16{a: 1400, b: 1500}, got)
}

func TestHostDo(t *testing.T) {
	h := newHost(t, nil)
	assert.False(t, h.Do(key(1), func(*hbh.Flow) {}))
	require.NoError(t, h.Open(at(0), key(1), hbh.FlowConfig{LinkMTU: 9000, Ask: true}))
	assert.True(t, h.Do(key(1), func(f *hbh.Flow) { f.Refused(at(0)) }))
	assert.Equal(t, at(10*time.Minute), h.Next(), "the deadline moved with it")
}

// Whatever happens: the table is bounded, Poll ends, Next is never in the past
// once Poll had its turn, and replies stay within the budget.
func TestHostProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHost(t, func(c *hbh.HostConfig) {
			c.Flows, c.Destinations, c.ReplyRate, c.ReplyBurst = 5, 3, 2, 2
			c.Flow.Ask = rapid.Bool().Draw(t, "guests ask")
			c.Flow.OnChange = rapid.Bool().Draw(t, "on change")
		})
		now := epoch
		replies := 0
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "ms")) * time.Millisecond)
			k := key(rapid.IntRange(0, 8).Draw(t, "flow"))
			switch rapid.IntRange(0, 6).Draw(t, "event") {
			case 0:
				_ = h.Open(now, k, hbh.FlowConfig{LinkMTU: 1500, Ask: true})
			case 1:
				h.Close(k)
			case 2:
				h.Do(k, func(f *hbh.Flow) { f.Lost(now) })
			case 3:
				h.Confirmed(now, k, rapid.IntRange(1280, 9000).Draw(t, "pmtu"))
			default:
				ob := hbh.Observed{Count: 1, Min: rapid.Uint16().Draw(t, "min"), Rtn: rapid.Uint16().Draw(t, "rtn") &^ 1, R: rapid.Bool().Draw(t, "r")}
				if r := h.Received(now, k, ob); r.MTU != 0 {
					require.GreaterOrEqual(t, r.MTU, ip6.MinMTU)
					require.LessOrEqual(t, r.MTU, 9000)
				}
			}
			require.LessOrEqual(t, h.Len(), 5)
			for n := 0; ; n++ {
				require.Less(t, n, 20, "Poll ends")
				_, o, ok := h.Poll(now)
				if !ok {
					break
				}
				if !o.R {
					replies++
				}
			}
			if next := h.Next(); !next.IsZero() {
				require.True(t, next.After(now), "%v is not after %v", next, now)
			}
		}
		require.LessOrEqual(t, float64(replies), 2+2*now.Sub(epoch).Seconds()+1)
	})
}
