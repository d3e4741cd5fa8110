package probe

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	node "pathmtu/internal/host"
	"pathmtu/internal/ip6"
	"pathmtu/results"
	"pathmtu/truncate"
)

// signalPath is a router before a narrow link, and a host that knows this project's
// options, both the real ones.
type signalPath struct {
	link, narrow int
	rewrites     bool // the router takes part in RFC 9268
	cuts         bool // and truncates
	tells        bool // and sends Packet Too Big
	host         node.Config
}

func (sp *signalPath) run(t *testing.T, name string) (Outcome, *path) {
	t.Helper()
	sp.host.Addrs, sp.host.LinkMTU = []netip.Addr{host6}, sp.link
	h, err := node.New(sp.host)
	require.NoError(t, err)
	p := &path{v6: true, link: sp.link}
	p.whole = func(now time.Time, b []byte, back func([]byte)) {
		pkt, err := ip6.Parse(b)
		require.NoError(t, err)
		if sp.rewrites {
			hbh.Rewrite(pkt, sp.narrow, ip6.Limits{})
		}
		if len(pkt) > sp.narrow {
			var plan truncate.Plan
			if sp.cuts {
				plan = truncate.Router{NoPTB: !sp.tells}.Plan(pkt, sp.narrow)
			}
			if sp.tells {
				e, err := ip6.AppendError(nil, ip6.ErrorSpec{Type: ip6.TypePacketTooBig, Param: uint32(sp.narrow), Src: router6}, pkt)
				require.NoError(t, err)
				back(e)
			}
			if !sp.cuts || !plan.OK() {
				return
			}
			pkt = plan.Apply(pkt)
		}
		h.Packet(pkt, now, back)
		h.Poll(now, back)
	}
	return p.run(t, newSession(t, p, name, func(c *Config) { c.Eager = true })), p
}

// TestSignalMethods: what the network says by options is what is tried next, and
// the size is exact all the same.
func TestSignalMethods(t *testing.T) {
	for _, c := range []struct {
		name, method  string
		path          signalPath
		packets       int // at most
		verdict       results.Verdict
		hint, arrived int
	}{
		{"udpopt, silent", "udpopt", signalPath{link: 9000, narrow: 1500}, 24, results.OKSilent, 0, 0},
		{"udpopt, told", "udpopt", signalPath{link: 9000, narrow: 1500, tells: true}, 6, results.OK, 0, 0},
		// The hint, and the next size, which has to fail 3 times beside a small packet.
		{"hbh, silent", "hbh", signalPath{link: 9000, narrow: 1500, rewrites: true}, 8, results.OKSilent, 1500, 0},
		{"hbh, told", "hbh", signalPath{link: 9000, narrow: 1500, rewrites: true, tells: true}, 4, results.OK, 1500, 0},
		{"hbh, nothing narrower", "hbh", signalPath{link: 9000, narrow: 9000, rewrites: true}, 3, results.OK, 9000, 0},
		{"hbh, router takes no part", "hbh", signalPath{link: 9000, narrow: 1500}, 24, results.OKSilent, 9000, 0},
		{"hbh, host takes no part", "hbh", signalPath{link: 9000, narrow: 1500, rewrites: true, host: node.Config{NoHopByHop: true}}, 24, results.OKSilent, 0, 0},
		{"truncate, silent", "truncate", signalPath{link: 9000, narrow: 1500, cuts: true}, 4, results.OK, 0, 1500},
		{"truncate, told too", "truncate", signalPath{link: 9000, narrow: 1500, cuts: true, tells: true}, 4, results.OK, 0, 1500},
		{"truncate, host knows nothing of it", "truncate", signalPath{link: 9000, narrow: 1500, cuts: true, host: node.Config{NoTruncation: true}}, 4, results.OK, 0, 1500},
		{"truncate, router takes no part", "truncate", signalPath{link: 9000, narrow: 1500}, 24, results.OKSilent, 0, 0},
		{"truncate, nothing narrower", "truncate", signalPath{link: 9000, narrow: 9000, cuts: true}, 2, results.OK, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, p := c.path.run(t, c.method)
			require.NotNil(t, o.PMTU, "%s %v", o.Error, o.Evidence)
			assert.Equal(t, min(c.path.link, c.path.narrow), *o.PMTU, "%v %v", p.sizes, o.Evidence)
			assert.Equal(t, c.verdict, o.Verdict, "%v", o.Evidence)
			assert.LessOrEqual(t, o.ProbesSent, c.packets, "%v", p.sizes)
			switch c.method {
			case "hbh":
				require.NotNil(t, o.HBH)
				assert.Equal(t, results.HBH{Sent: true, Survived: true, MinPMTU: c.hint}, *o.HBH)
			case "truncate":
				require.NotNil(t, o.Truncation)
				assert.Equal(t, results.Truncation{Sent: true, Survived: true, MTU: c.arrived}, *o.Truncation)
			}
			if o.Bottleneck != nil {
				assert.True(t, c.path.tells)
				assert.Equal(t, router6.String(), o.Bottleneck.Addr, "the place is the router's, whoever says so")
			}
			t.Logf("%d packets: %v; %q", o.ProbesSent, p.sizes, o.Evidence)
		})
	}
}

// TestUDPOptionsAnsweredOnceASecond: a host that answers as rarely as RFC 9869 lets it
// (section 3.1), and then only the last request (section 3.3), is no black hole.
func TestUDPOptionsAnsweredOnceASecond(t *testing.T) {
	for _, ptb := range []func(int) (int, bool){nil, says(1420)} {
		for _, eagerly := range []bool{false, true} {
			for _, loss := range []int{0, 20} {
				p := &path{forward: 1420, ptb: ptb, lastOnly: time.Second}
				o := p.run(t, newSession(t, p, "udpopt", func(c *Config) { c.Eager, c.Loss = eagerly, loss }))
				require.NotNil(t, o.PMTU, "%s %v", o.Error, o.Evidence)
				assert.Equal(t, 1420, *o.PMTU, "%v", p.sizes)
				if ptb == nil {
					assert.Equal(t, results.OKSilent, o.Verdict)
				} else {
					assert.Equal(t, results.OK, o.Verdict)
					assert.Zero(t, o.ProbesLost, "%v", o.Loss)
				}
			}
		}
	}
}

// TestCutBelieved: that a packet was truncated is believed of the target alone, and
// only if what it quotes says so too.
func TestCutBelieved(t *testing.T) {
	target := targetOf(host6, Key{1})
	m := NewTruncation(target, 77).(*truncation)
	pkt := ip6.Packet(m.Append(nil, Packet{ID: 3, Size: 3000}))
	plan := truncate.Router{}.Plan(pkt, 1500)
	require.True(t, plan.OK())
	arrived := plan.Apply(pkt)
	good := ICMPError{From: host6, Type: 2, MTU: 1500, Quote: Quote{Length: 1500, Payload: arrived[:1232]}}
	q, ok := m.Quoted(good.Quote, nil)
	require.True(t, ok)
	assert.Equal(t, Packet{ID: 3, Size: 3000}, q)
	assert.Equal(t, 1500, m.cut(good))
	for what, change := range map[string]func(*ICMPError){
		"from a router":              func(e *ICMPError) { e.From = router6 },
		"another size than arrived":  func(e *ICMPError) { e.MTU = 1499 },
		"not truncated":              func(e *ICMPError) { e.Quote.Payload = m.Append(nil, Packet{ID: 3, Size: 3000})[:1232] },
		"unreachable":                func(e *ICMPError) { e.Type = 1 },
		"unrecognised Next Header":   func(e *ICMPError) { e.Type, e.Code = 4, 1 },
		"too short to tell anything": func(e *ICMPError) { e.Quote.Payload = e.Quote.Payload[:39] },
	} {
		bad := good
		change(&bad)
		assert.Zero(t, m.cut(bad), what)
	}
}
