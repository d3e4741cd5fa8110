package survey

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"pathmtu/internal/netlab/internet"
)

// TestProbes: every size of every kind has that size, right checksums (packetOf
// checks), the attribution where RFC 9511 wants it, and a token that opens.
func TestProbes(t *testing.T) {
	const uri = "https://example.net/probing"
	for _, attribution := range []string{"", uri, uri + "s"} {
		p, err := newProbes(Key{1}, attribution, DefaultPort, 9000)
		require.NoError(t, err)
		for _, a := range []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")} {
			for _, k := range Kinds() {
				for _, size := range []int{p.least(k, a.Is4()), p.least(k, a.Is4()) + 1, 1280, 1499, 1500, 9000} {
					if size < p.least(k, a.Is4()) {
						continue
					}
					head, tail := p.appendHead(nil, numberOf(a), stamp{uint16(size), 7, k})
					b := packetOf(t, Send{To: a, Method: k, Port: p.destination(k), Size: size, Head: head, Tail: p.padding[:tail]})
					upper := b[ipHeader(a.Is4())+8:]
					if attribution != "" {
						require.Contains(t, string(upper), attribution+"\x00")
						if k == ICMP || k == UDP {
							require.Equal(t, attribution+"\x00", string(upper[:len(attribution)+1]), "RFC 9511 section 3: at the first octet")
						}
					}
					switch k {
					case QUIC:
						require.GreaterOrEqual(t, len(upper), 1200, "RFC 9000 section 5.2.2")
					case DNS:
						var m dnsmessage.Message
						require.NoError(t, m.Unpack(upper))
						require.Len(t, m.Questions, 1)
						require.Len(t, m.Additionals, 1)
						require.Equal(t, dnsmessage.TypeOPT, m.Additionals[0].Header.Type)
					}
				}
			}
		}
	}
	_, err := newProbes(Key{}, string(make([]byte, 201)), 1, 1500)
	assert.ErrorContains(t, err, "Attribution is 201 bytes long")
}

// TestMethods: each method finds what it can see, and falls back to the next
// where it is not answered.
func TestMethods(t *testing.T) {
	w := noChance()
	w.Exists, w.QUIC, w.DNS, w.ClosedPort, w.Echo = 1, 0.5, 0.5, 0.5, 0.5
	for _, methods := range [][]Kind{{QUIC}, {DNS}, {UDP}, {QUIC, DNS, ICMP}} {
		for _, attribution := range []string{"", "https://example.net/"} {
			s := newSim(t, w, Config{Methods: methods, Attribution: attribution}, setOf(t, targetsOf(t, 4, 120), targetsOf(t, 6, 120)))
			s.run()
			require.Len(t, s.finals, 240)
			measured := 0
			for a, f := range s.finals {
				h := s.world.Host(a)
				// A closed port answers whatever comes, QUIC or not.
				answers := map[Kind]bool{ICMP: h.Echo, UDP: h.ClosedPort, QUIC: h.QUIC || h.ClosedPort, DNS: h.DNS || h.ClosedPort}
				want, first := 0, methods[0]
				for _, k := range methods {
					first = k
					if least := s.engine.probes.least(k, a.Is4()); answers[k] && least <= h.MTU {
						want = h.MTU
						if k == ICMP {
							want = h.Visible("icmp")
						}
						break
					}
				}
				require.Equal(t, want, f.PMTU, "%v: %+v\n%+v", methods, f, h)
				require.Equal(t, first, f.Method)
				measured += min(f.PMTU, 1)
			}
			require.Greater(t, measured, 80, methods)
		}
	}
}

// TestShortQuotes: a router that quotes 8 bytes of the payload only is believed,
// as its quote can't be guessed.
func TestShortQuotes(t *testing.T) {
	w := noChance()
	w.ShortQuote, w.Exists, w.Filtered, w.Lying, w.ClosedPort = 1, 1, 0, 0, 1
	for _, k := range []Kind{ICMP, UDP} {
		s := newSim(t, w, Config{Methods: []Kind{k}}, setOf(t, targetsOf(t, 4, 300)))
		s.run()
		short := 0
		for a, f := range s.finals {
			h := s.world.Host(a)
			require.Equal(t, h.MTU, f.PMTU)
			if h.ShortQuot {
				short++
				require.NotZero(t, f.PTBs, "%+v", f)
			}
		}
		require.Greater(t, short, 50)
	}
}

// TestBudgets: no host gets more packets, or at a higher rate, than was asked
// for; no network and no AS either.
func TestBudgets(t *testing.T) {
	set := setOf(t, list(t, "10.0.0.0/25\n10.0.1.0/25\n2001:db8::/122"))
	origins, err := ReadOrigins("test", asReader("10.0.0.0/8 1\n2001:db8::/32 2"))
	require.NoError(t, err)
	c := Config{
		PerNet: Rates{Packets: 20, Bits: 100_000}, PerAS: Rates{Packets: 30}, Origins: origins,
		Total: Rates{Packets: 45, Bits: 300_000},
	}
	s := newSim(t, internet.Default(), c, set)
	at := map[string][]time.Duration{}
	bits := map[string]float64{}
	lastTo := map[netip.Addr]time.Duration{}
	s.seen = func(p Send) {
		now := s.now.Sub(epoch)
		p24, _ := p.To.Prefix(map[bool]int{true: 24, false: 48}[p.To.Is4()])
		as := "as2"
		if p.To.Is4() {
			as = "as1"
		}
		for _, k := range []string{"all", p24.String(), as} {
			at[k] = append(at[k], now)
			bits[k] += float64(8 * p.Size)
		}
		if last, ok := lastTo[p.To]; ok {
			require.GreaterOrEqual(t, now-last, 196*time.Millisecond, "two packets to %v", p.To)
		}
		lastTo[p.To] = now
	}
	s.run()
	rate := map[string]float64{"all": 45, "as1": 30, "as2": 30}
	for k, times := range at {
		r, ok := rate[k]
		if !ok {
			r = 20
		}
		// In any time, no more than the rate, and a little that caught up.
		for i, from := range times {
			for _, d := range []int{20, 200} {
				if i+d < len(times) {
					require.GreaterOrEqual(t, (times[i+d] - from + 80*time.Millisecond).Seconds(), float64(d)/r, "%s: %d packets", k, d)
				}
			}
		}
		took := times[len(times)-1] - times[0]
		if k != "all" && !ok {
			require.LessOrEqual(t, bits[k]/took.Seconds(), 101_500.0, k)
		}
	}
	require.LessOrEqual(t, bits["all"]/s.now.Sub(epoch).Seconds(), 301_000.0)
	assert.NotZero(t, s.engine.Counts().Deferred)
	require.Len(t, s.finals, int(set.Len()))
}

// TestMemory: a million targets in progress take less than 128 MiB.
func TestMemory(t *testing.T) {
	const n = 1 << 20
	set := setOf(t, list(t, "10.0.0.0/12"))
	require.EqualValues(t, n, set.Len())
	before := heap()
	e, err := New(Config{Link4: 1500, Window: n, Gap: 30 * time.Second, Final: func(Final) {}}, set, nil, epoch)
	require.NoError(t, err)
	var buf [512]byte
	for e.Counts().Active < n {
		_, ok := e.Poll(epoch, buf[:0])
		require.True(t, ok)
	}
	used := heap() - before
	t.Logf("%d bytes for each of %d targets", used/n, n)
	assert.Less(t, used, int64(128<<20))
	_ = e.Done()
}
