package udpsock

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	to4   = netip.MustParseAddrPort("203.0.113.1:443")
	to6   = netip.MustParseAddrPort("[2001:db8:3::1]:443")
)

func TestRing(t *testing.T) {
	r := NewRing(3)
	add := func(id uint64, dst netip.AddrPort, size int, payload string) {
		r.Add(start.Add(time.Duration(id)*time.Second), Sent{ID: id, Dst: dst, Size: size}, []byte(payload))
	}
	now := start.Add(time.Minute)
	match := func(dst netip.AddrPort, payload string, mtu int) uint64 {
		s, ok := r.Match(now, Quote{Dst: dst, Payload: []byte(payload), MTU: mtu})
		if !ok {
			return 0
		}
		return s.ID
	}
	assert.Zero(t, match(to4, "", 0), "empty")
	add(1, to4, 1500, "same begin, then A")
	add(2, to4, 1400, "same begin, then B")
	assert.EqualValues(t, 1, match(to4, "same begin, then A and more", 0), "a quote may be longer than what is kept")
	assert.EqualValues(t, 2, match(to4, "same begin", 0), "the newest first")
	assert.EqualValues(t, 1, match(to4, "same begin", 1450), "the newest that the MTU is about")
	assert.EqualValues(t, 2, match(to4, "same begin", 9000), "none fits: the newest")
	assert.Zero(t, match(to6, "same begin", 0), "another destination")
	assert.Zero(t, match(netip.AddrPortFrom(to4.Addr(), 80), "same begin", 0), "another port")
	assert.Zero(t, match(to4, "same begun", 0))
	assert.EqualValues(t, 2, match(netip.AddrPortFrom(netip.AddrFrom16(to4.Addr().As16()), 443), "same begin", 0), "IPv4-mapped")

	add(3, to6, 1300, "third")
	add(4, to6, 1300, "fourth")
	assert.Zero(t, match(to4, "same begin, then A", 0), "the oldest is forgotten")
	now = start.Add(2*time.Minute + 3*time.Second)
	assert.Zero(t, match(to4, "same begin, then B", 0), "older than the MSL")
	assert.EqualValues(t, 3, match(to6, "third", 0))
	assert.NotPanics(t, func() { NewRing(-1).Add(start, Sent{}, nil) })
}

func TestRingAddDoesNotAllocate(t *testing.T) {
	r := NewRing(8)
	payload := make([]byte, 1400)
	assert.Zero(t, testing.AllocsPerRun(100, func() { r.Add(start, Sent{ID: 1, Dst: to4, Size: 1428}, payload) }))
}

// D3-6b, D4.6.1-2, D4.6.1-5, D3-6d, D4.6.2-2, D8-2: whatever comes, a notice is
// about something that was sent, and its MTU is possible and smaller.
func TestValidatorProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ring := NewRing(8)
		dsts := []netip.AddrPort{to4, to6}
		payload := rapid.SliceOfN(rapid.ByteRange(0, 2), 0, 12)
		sent := map[uint64]Sent{}
		for id := range uint64(rapid.IntRange(0, 12).Draw(t, "sent")) {
			s := Sent{ID: id, Dst: rapid.SampledFrom(dsts).Draw(t, "dst"), Size: rapid.IntRange(60, 9000).Draw(t, "size")}
			sent[id] = s
			ring.Add(start, s, payload.Draw(t, "payload"))
		}
		v := newValidator(QueueConfig{Match: ring.Match})
		r := report{
			kind:    rapid.SampledFrom([]Kind{TooBig, LocalTooBig, Unreachable}).Draw(t, "kind"),
			dst:     rapid.SampledFrom(dsts).Draw(t, "quoted"),
			payload: payload.Draw(t, "quote"),
		}
		r.family = FamilyOf(r.dst.Addr())
		if r.kind != Unreachable {
			r.mtu = rapid.IntRange(0, 65535).Draw(t, "mtu")
		}
		n, ok := v.check(start, r)
		s := v.stats
		if s.Accepted+s.Unmatched+s.ShortQuote+s.TooSmall+s.NotSmaller != 1 {
			t.Fatalf("counted not once: %+v", s)
		}
		if ok != (s.Accepted == 1) {
			t.Fatalf("accepted %v, counted %+v", ok, s)
		}
		if !ok || r.kind == LocalTooBig {
			return
		}
		if sent[n.Sent.ID] != n.Sent || n.Sent.Dst != r.dst {
			t.Fatalf("not sent: %+v", n)
		}
		if n.Kind == TooBig && (n.MTU >= n.Sent.Size || n.MTU < n.Family.MinMTU()) {
			t.Fatalf("impossible MTU: %+v", n)
		}
	})
}

// D8-3
func TestBudget(t *testing.T) {
	b := NewBudget(10, 5)
	taken := func(now time.Time, tries int) (n int) {
		for range tries {
			if b.Take(now) {
				n++
			}
		}
		return n
	}
	assert.Equal(t, 5, taken(start, 100))
	assert.Equal(t, 2, taken(start.Add(200*time.Millisecond), 100))
	assert.Zero(t, taken(start, 10), "a clock that goes back gives nothing")
	assert.Zero(t, taken(start.Add(200*time.Millisecond), 10), "nor does it give anything when it returns")
	assert.Equal(t, 5, taken(start.Add(time.Hour), 100), "no more than the burst")
	assert.False(t, new(Budget).Take(start))
}

func TestUnsupportedError(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", unsupported(FeatureErrorQueue))
	var u *UnsupportedError
	require.ErrorAs(t, err, &u)
	assert.Equal(t, FeatureErrorQueue, u.Feature)
	assert.ErrorContains(t, err, "socket error queue: not supported on ")
}

func TestFamilies(t *testing.T) {
	for addr, want := range map[string]Family{"192.0.2.1": IPv4, "::ffff:192.0.2.1": IPv4, "2001:db8::1": IPv6} {
		assert.Equal(t, want, FamilyOf(netip.MustParseAddr(addr)))
	}
	assert.Equal(t, []int{68, 1280, 28, 48}, []int{IPv4.MinMTU(), IPv6.MinMTU(), IPv4.Overhead(), IPv6.Overhead()})
	df := DF{IPv4: DFConfirmed, IPv6: DFOff}
	assert.True(t, df.MayProbe(netip.MustParseAddr("::ffff:192.0.2.1")))
	assert.False(t, df.MayProbe(netip.MustParseAddr("2001:db8::1")))
	assert.Equal(t, "IPv4 confirmed, IPv6 off", df.String())
}
