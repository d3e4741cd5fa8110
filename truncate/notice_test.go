package truncate_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/truncate"
)

var router = netip.MustParseAddr("2001:db8:2::fe")

func icmpError(t require.TestingT, from netip.Addr, typ, code uint8, param int, about ip6.Packet) ip6.Packet {
	b, err := ip6.AppendError(nil, ip6.ErrorSpec{Type: typ, Code: code, Param: uint32(param), Src: from}, about)
	require.NoError(t, err)
	return mustParse(t, b)
}

func mine(ip6.Packet) bool { return true }

func TestNotices(t *testing.T) {
	dst := ip6test.Dst
	sent := udp(9000, do(opt(el)))
	cut := udp(1400, do(opt(tr)))
	invalid := udp(1400, do(opt(el), opt(tr)))
	fragment := udp(1400, do(opt(tr)), ip6test.Fragment(0, true))
	type result struct {
		origin  truncate.Origin
		unaware bool
		mtu     int
		why     truncate.Reject
	}
	no := func(why truncate.Reject) result { return result{why: why} }
	for _, c := range []struct {
		name    string
		p       ip6.Packet
		current int
		want    result
	}{
		{"router", icmpError(t, router, 2, 0, 1400, sent), 9000, result{truncate.FromRouter, false, 1400, 0}},
		{"router about a plain packet", icmpError(t, router, 2, 0, 1400, udp(9000)), 9000, result{truncate.FromRouter, false, 1400, 0}},
		{"a second router, about what the first one cut", icmpError(t, router, 2, 0, 1300, cut), 9000, result{truncate.FromRouter, false, 1300, 0}},
		{"destination", icmpError(t, dst, 2, 0, 1400, cut), 9000, result{truncate.FromDestination, false, 1400, 0}},
		{"destination, second of two: teaches nothing", icmpError(t, dst, 2, 0, 1400, cut), 1400, result{truncate.FromDestination, false, 0, truncate.NotSmaller}},
		{"only decreases", icmpError(t, router, 2, 0, 5000, sent), 1400, result{truncate.FromRouter, false, 0, truncate.NotSmaller}},
		{"router says as much as the packet has", icmpError(t, router, 2, 0, 9000, sent), 9999, no(truncate.FitsAlready)},
		{"router says more", icmpError(t, router, 2, 0, 9001, sent), 9999, no(truncate.FitsAlready)},
		{"MTU over any packet", icmpError(t, router, 2, 0, 1<<31, sent), 1 << 32, no(truncate.FitsAlready)},
		{"MTU 1279", icmpError(t, router, 2, 0, 1279, sent), 9000, no(truncate.BelowMinimum)},
		{"MTU 0", icmpError(t, dst, 2, 0, 0, cut), 9000, no(truncate.BelowMinimum)},
		{"a length that arrived, but from a stranger", icmpError(t, router, 2, 0, 1400, cut), 9000, no(truncate.WrongSender)},
		{"destination says more than arrived", icmpError(t, dst, 2, 0, 1401, cut), 9000, no(truncate.MTUMismatch)},
		{"destination about an invalid packet", icmpError(t, dst, 2, 0, 1400, invalid), 9000, no(truncate.InvalidQuote)},
		{"destination about a fragment", icmpError(t, dst, 2, 0, 1400, fragment), 9000, no(truncate.InvalidQuote)},
		{"destination about what was not truncated", icmpError(t, dst, 2, 0, 1400, udp(1400, do(opt(el)))), 9000, no(truncate.FitsAlready)},
		{"S9 unaware destination", icmpError(t, dst, 4, 2, 42, cut), 9000, result{truncate.FromDestination, true, 1400, 0}},
		{"S9 unaware, nothing new", icmpError(t, dst, 4, 2, 42, cut), 1400, result{truncate.FromDestination, true, 0, truncate.NotSmaller}},
		{"S9 not from the destination", icmpError(t, router, 4, 2, 42, cut), 9000, no(truncate.WrongSender)},
		{"S9 pointer at another option", icmpError(t, dst, 4, 2, 44, cut), 9000, no(truncate.WrongPointer)},
		{"S9 pointer at a byte of the payload", icmpError(t, dst, 4, 2, 48+8+59, cut), 9000, no(truncate.WrongPointer)},
		{"S9 pointer out of the quote", icmpError(t, dst, 4, 2, 5000, cut), 9000, no(truncate.WrongPointer)},
		{"S9 about an eligible packet", icmpError(t, dst, 4, 2, 42, sent), 9000, no(truncate.WrongPointer)},
		{"Parameter Problem of another code", icmpError(t, dst, 4, 0, 42, cut), 9000, no(truncate.NotOurs)},
		{"Time Exceeded", icmpError(t, router, 3, 0, 0, sent), 9000, no(truncate.NotOurs)},
		{"echo", ip6test.Packet(ip6.ProtoICMPv6, ip6test.Echo(100)), 9000, no(truncate.NotOurs)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if len(c.p) > 200 && c.name == "S9 pointer at a byte of the payload" {
				require.Equal(t, uint8(tr), udp(1400, do(opt(tr)))[48+8+59], "the byte looks like the option")
			}
			for _, check := range []func() (truncate.Notice, truncate.Reject){
				func() (truncate.Notice, truncate.Reject) { return source.Check(c.p, c.current, mine) },
				func() (truncate.Notice, truncate.Reject) {
					return source.CheckMessage(c.p.Src(), c.p.Dst(), c.p[40:], c.current, mine)
				},
			} {
				n, why := check()
				assert.Equal(t, c.want, result{n.Origin, n.Unaware, n.MTU, why})
				assert.NotEqual(t, "unknown", why.String())
				assert.Equal(t, why == truncate.Accepted || why == truncate.NotSmaller, n.Quote != nil)
			}
		})
	}
}

func TestNoticeFlow(t *testing.T) {
	cut := udp(1400, do(opt(tr)))
	p := icmpError(t, ip6test.Dst, 2, 0, 1400, cut)
	var seen ip6.Packet
	_, why := source.Check(p, 9000, func(q ip6.Packet) bool { seen = q; return false })
	assert.Equal(t, truncate.UnknownFlow, why)
	u, pr := seen.FindUpper(ip6.Limits{})
	require.Equal(t, ip6.NoProblem, pr.Reason)
	assert.Equal(t, ip6test.UDP(0)[:4], []byte(seen[u.Off:][:4]), "the ports")

	foreign := ip6test.Clone(p)
	foreign.SetDst(router) // came to an address that did not send the packet
	foreign.SetChecksum(ip6.Limits{})
	_, why = source.Check(foreign, 9000, mine)
	assert.Equal(t, truncate.ForeignQuote, why)

	bad := ip6test.Clone(p)
	bad[len(bad)-1] ^= 1
	_, why = source.Check(bad, 9000, mine)
	assert.Equal(t, truncate.Unparsable, why)
	for n := 41; n < len(p); n += 7 {
		_, why = source.CheckMessage(p.Src(), p.Dst(), p[40:n], 9000, mine)
		if n < 40+8+40 {
			require.Contains(t, []truncate.Reject{truncate.NotOurs, truncate.Unparsable}, why)
		} else if n < 40+8+48 {
			require.NotEqual(t, truncate.Accepted, why, "%d bytes: the option is not in the quote", n)
		}
	}
}

func TestNoticesT0(t *testing.T) {
	p := udp(1400, do(opt(en, 0, 100, 0x80)))
	n, why := sourceT0.Check(icmpError(t, ip6test.Dst, 2, 0, 1400, p), 9000, mine)
	assert.Equal(t, truncate.Accepted, why)
	assert.Equal(t, 1400, n.MTU)
	n, why = sourceT0.Check(icmpError(t, ip6test.Dst, 4, 2, 42, p), 9000, mine)
	assert.Equal(t, truncate.Accepted, why)
	assert.True(t, n.Unaware)
	// An unaware destination also reports packets that no router cut.
	n, why = sourceT0.Check(icmpError(t, ip6test.Dst, 4, 2, 42, udp(1400, do(opt(en, 0, 100, 0)))), 9000, mine)
	assert.Equal(t, truncate.Accepted, why)
	assert.Equal(t, truncate.Notice{Origin: truncate.FromDestination, Unaware: true, Quote: n.Quote}, n)
}

// Two errors for one packet, from the router and from the destination: both
// are counted by origin, one teaches.
func TestTwoNotices(t *testing.T) {
	var c truncate.NoticeCounters
	current := 9000
	sent := udp(9000, do(opt(el)))
	pl := t1.Plan(sent, 1400)
	fromRouter := icmpError(t, router, 2, 0, pl.MTU, sent)
	cut := pl.Apply(sent)
	dec := destination(t, truncate.T1, always{}).Receive(epoch, cut, ip6.Arrival{})
	fromDst, _ := answer(t, dec, cut)
	for _, p := range []ip6.Packet{fromDst, fromRouter, fromDst} {
		n, why := source.Check(p, current, mine)
		c.Count(n, why)
		if n.MTU > 0 {
			current = n.MTU
		}
	}
	n, why := source.Check(icmpError(t, ip6test.Dst, 4, 2, 42, cut), current, mine)
	c.Count(n, why)
	c.Count(source.Check(icmpError(t, router, 2, 0, 1000, sent), current, mine))
	assert.Equal(t, 1400, current)
	want := truncate.NoticeCounters{Router: 1, Destination: 3, Unaware: 1}
	want.Rejected[truncate.Accepted] = 1
	want.Rejected[truncate.NotSmaller] = 3
	want.Rejected[truncate.BelowMinimum] = 1
	assert.Equal(t, want, c)
	for _, o := range []truncate.Origin{truncate.FromRouter, truncate.FromDestination} {
		assert.NotEmpty(t, o.String())
	}
}

// Forged errors cannot lower a flow that is not the forger's: without the
// flow's ports and token none is believed, whatever else is right.
func TestForgedNotices(t *testing.T) {
	const token = 0x5a
	real := func(q ip6.Packet) bool {
		u, pr := q.FindUpper(ip6.Limits{})
		if pr.Reason != ip6.NoProblem || u.Proto != ip6.ProtoUDP || len(q) < u.Off+9 {
			return false
		}
		return q[u.Off+8] == token
	}
	genuine := udp(1400, do(opt(tr)))
	genuine[56] = token
	_, why := source.Check(icmpError(t, ip6test.Dst, 2, 0, 1400, genuine), 9000, real)
	require.Equal(t, truncate.Accepted, why)
	forged := udp(1400, do(opt(tr)))
	require.NotEqual(t, uint8(token), forged[56])
	for _, p := range []ip6.Packet{icmpError(t, ip6test.Dst, 2, 0, 1400, forged), icmpError(t, router, 2, 0, 1280, forged), icmpError(t, ip6test.Dst, 4, 2, 42, forged)} {
		n, why := source.Check(p, 9000, real)
		assert.Equal(t, truncate.UnknownFlow, why)
		assert.Zero(t, n)
	}
}

// S9, S10: what a source learns of a destination.
func TestPeer(t *testing.T) {
	newPeer := func(c truncate.PeerConfig) *truncate.Peer {
		p, err := truncate.NewPeer(c)
		require.NoError(t, err)
		return p
	}
	at := func(d time.Duration) time.Time { return epoch.Add(d) }
	p := newPeer(truncate.PeerConfig{})
	assert.False(t, p.MayMark(at(0)), "S10: not before it was tried")
	assert.True(t, p.Poll(at(0)))
	assert.False(t, p.Poll(at(time.Second)))
	assert.Equal(t, at(3*time.Second), p.Next())
	p.Notice(at(time.Second), truncate.Notice{Origin: truncate.FromRouter})
	assert.Equal(t, truncate.Untried, p.State(at(time.Second)))
	p.Notice(at(time.Second), truncate.Notice{Origin: truncate.FromDestination})
	assert.Equal(t, truncate.Aware, p.State(at(time.Second)))
	assert.True(t, p.MayMark(at(10*time.Minute)))
	assert.False(t, p.Poll(at(10*time.Minute)))
	assert.Equal(t, at(10*time.Minute+time.Second), p.Next())
	assert.False(t, p.MayMark(p.Next()), "a finding lasts 10 minutes")
	assert.True(t, p.Poll(at(11*time.Minute)), "then it is tried again")

	// S9: the destination does not know the option: no more marks.
	p.Notice(at(11*time.Minute), truncate.Notice{Origin: truncate.FromDestination, Unaware: true})
	assert.Equal(t, truncate.Unaware, p.State(at(11*time.Minute)))
	assert.False(t, p.MayMark(at(12*time.Minute)))

	// No answer at all.
	p = newPeer(truncate.PeerConfig{Trials: 2, TrialTimeout: time.Second, Keep: time.Minute, Trust: true})
	assert.True(t, p.MayMark(at(0)))
	polls := 0
	for now := at(0); now.Before(at(59 * time.Second)); now = now.Add(100 * time.Millisecond) {
		if p.Poll(now) {
			polls++
		}
	}
	assert.Equal(t, 2, polls)
	assert.Equal(t, truncate.Mute, p.State(at(59*time.Second)))
	assert.False(t, p.MayMark(at(59*time.Second)))

	for want, c := range map[string]truncate.PeerConfig{"Trials -1": {Trials: -1}, "TrialTimeout -1ns": {TrialTimeout: -1}, "Keep -1s": {Keep: -time.Second}} {
		_, err := truncate.NewPeer(c)
		assert.ErrorContains(t, err, want)
	}
	for _, s := range []truncate.PeerState{truncate.Untried, truncate.Aware, truncate.Unaware, truncate.Mute} {
		assert.NotEmpty(t, s.String())
	}
}
