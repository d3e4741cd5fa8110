package survey

import (
	"iter"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What Ranges yields makes the same Set again, and Index is the inverse of At.
func TestRangesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l List
		for range rapid.IntRange(1, 20).Draw(t, "entries") {
			a := netip.AddrFrom4([4]byte{10, 0, rapid.Byte().Draw(t, "b") % 2, rapid.Byte().Draw(t, "c")})
			if rapid.Bool().Draw(t, "v6") {
				b := [16]byte{0x20, 1, 0xd, 0xb8, 15: rapid.Byte().Draw(t, "d")}
				a = netip.AddrFrom16(b)
			}
			p := netip.PrefixFrom(a, a.BitLen()-rapid.IntRange(0, 4).Draw(t, "host bits"))
			require.NoError(t, l.Add(p.String()))
		}
		s, _, err := Selection{Lab: true}.Select(&l)
		require.NoError(t, err)
		again, err := SetOf(s.Ranges())
		require.NoError(t, err)
		require.Equal(t, s.Hash(), again.Hash())
		for i := range s.Len() {
			k, ok := again.Index(s.At(i))
			require.True(t, ok)
			require.Equal(t, i, k)
		}
		for _, a := range []string{"9.255.255.255", "10.0.2.0", "2001:db8::1:0", "::", "ffff::"} {
			_, ok := s.Index(netip.MustParseAddr(a))
			require.False(t, ok, a)
		}
	})
}

func TestSetOfRefuses(t *testing.T) {
	type pair struct {
		a string
		n uint64
	}
	for name, pairs := range map[string][]pair{
		"nothing":            {{"10.0.0.0", 0}},
		"descending":         {{"10.0.0.9", 1}, {"10.0.0.1", 1}},
		"overlap":            {{"10.0.0.0", 10}, {"10.0.0.9", 1}},
		"beyond IPv4":        {{"255.255.255.255", 2}},
		"beyond IPv6":        {{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 2}},
		"too many":           {{"2001:db8::", MostTargets + 1}},
		"too many in all":    {{"2001:db8::", MostTargets}, {"2001:db9::", 1}},
		"no address":         {{"", 1}},
		"far too many to be": {{"2001:db8::", 1 << 63}},
	} {
		var seq iter.Seq2[netip.Addr, uint64] = func(yield func(netip.Addr, uint64) bool) {
			for _, p := range pairs {
				a, _ := netip.ParseAddr(p.a)
				if !yield(a, p.n) {
					return
				}
			}
		}
		_, err := SetOf(seq)
		assert.Error(t, err, name)
	}
}
