package router

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// brute finds the longest prefix by looking at all of them.
func brute(routes []Route, a netip.Addr) *Route {
	var best *Route
	for i := range routes {
		r := &routes[i]
		if r.Prefix.Contains(a) && (best == nil || r.Prefix.Bits() > best.Prefix.Bits()) {
			best = r
		}
	}
	return best
}

// addrGen draws addresses that often share long prefixes.
func addrGen() *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		var b [16]byte
		copy(b[:], []byte{0x20, 0x01, 0x0d, 0xb8})
		for i := rapid.IntRange(0, 15).Draw(t, "from"); i < 16; i++ {
			b[i] = rapid.SampledFrom([]byte{0, 1, 0x80, 0xff}).Draw(t, "byte")
		}
		b[0] |= 0x20 // never IPv4-mapped
		return netip.AddrFrom16(b)
	})
}

func TestTableFindsTheLongestPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 40).Draw(t, "routes")
		var routes []Route
		for i := range n {
			p := netip.PrefixFrom(addrGen().Draw(t, "prefix"), rapid.IntRange(0, 128).Draw(t, "bits")).Masked()
			routes = append(routes, Route{Prefix: p, Out: i})
		}
		table, err := NewTable(routes)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			a := addrGen().Draw(t, "dst")
			if n > 0 && rapid.Bool().Draw(t, "near") {
				a = routes[rapid.IntRange(0, n-1).Draw(t, "which")].Prefix.Addr()
			}
			want, got := brute(routes, a), table.Lookup(a)
			if (want == nil) != (got == nil) || want != nil && *want != *got {
				t.Fatalf("%v: got %v, want %v in %v", a, got, want, routes)
			}
		}
	})
}

func TestTableFirstOfEqualPrefixesCounts(t *testing.T) {
	p := netip.MustParsePrefix("2001:db8::/32")
	table, err := NewTable([]Route{{Prefix: p, Out: 1}, {Prefix: netip.MustParsePrefix("2001:db8::1/32"), Out: 2}})
	require.NoError(t, err)
	assert.Equal(t, 1, table.Len())
	assert.Equal(t, 1, table.Lookup(p.Addr()).Out)
}

// A destination that looks like an IPv4 address is an IPv6 one all the same.
func TestTableIPv4MappedDestination(t *testing.T) {
	table, err := NewTable([]Route{{Prefix: netip.MustParsePrefix("::/0"), Out: 3}})
	require.NoError(t, err)
	route := table.Lookup(netip.MustParseAddr("::ffff:192.0.2.1"))
	require.NotNil(t, route)
	assert.Equal(t, 3, route.Out)
}

func TestTableRefuses(t *testing.T) {
	for _, r := range []Route{
		{},
		{Prefix: netip.MustParsePrefix("192.0.2.0/24")},
		{Prefix: netip.MustParsePrefix("::ffff:192.0.2.0/120")},
		{Prefix: netip.MustParsePrefix("2001:db8::/32"), Kind: 99},
	} {
		_, err := NewTable([]Route{r})
		assert.Error(t, err, "%v", r)
	}
}

func BenchmarkTable(b *testing.B) {
	for _, n := range []int{2, 1000, 200_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rnd := rand.New(rand.NewPCG(1, 2))
			routes := make([]Route, n)
			addrs := make([]netip.Addr, 1024)
			for i := range routes {
				a := [16]byte{0x20, 0x01}
				for j := 2; j < 6; j++ {
					a[j] = byte(rnd.Uint32())
				}
				routes[i].Prefix = netip.PrefixFrom(netip.AddrFrom16(a), 32+rnd.IntN(17)).Masked()
			}
			for i := range addrs {
				addrs[i] = routes[rnd.IntN(n)].Prefix.Addr()
			}
			table, err := NewTable(routes)
			require.NoError(b, err)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if table.Lookup(addrs[i&1023]) == nil {
					b.Fatal("no route")
				}
			}
		})
	}
}
