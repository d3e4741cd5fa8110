package survey

import (
	"errors"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func list(t testing.TB, text string) *List {
	l := &List{}
	require.NoError(t, l.ReadAll("test", strings.NewReader(text)))
	return l
}

func all(s *Set) (out []string) {
	for i := range s.Len() {
		out = append(out, s.At(i).String())
	}
	return out
}

// TestSelect: zmap's format, merged, in order, without what must not be probed.
func TestSelect(t *testing.T) {
	targets := list(t, "# a comment\n8.8.8.4/30\n8.8.8.6 # again\n\n  2600::1\n10.0.0.1\n2001:db8::1\n8.8.4.4\r\n::ffff:8.8.4.5\n")
	s, skipped, err := Selection{Block: list(t, "8.8.8.5\n8.8.9.0/24 # none\n")}.Select(targets)
	require.NoError(t, err)
	assert.Equal(t, []string{"8.8.4.4", "8.8.4.5", "8.8.8.4", "8.8.8.6", "8.8.8.7", "2600::1"}, all(s))
	assert.EqualValues(t, 3, skipped)

	s, _, err = Selection{Allow: list(t, "8.8.8.6/31\n2600::/12"), V6: true}.Select(list(t, "8.8.8.0/24\n2600::8\n2a00::1"))
	require.NoError(t, err)
	assert.Equal(t, []string{"2600::8"}, all(s))

	s, _, err = Selection{Lab: true, V4: true}.Select(list(t, "10.0.0.1\n127.0.0.1\n224.0.0.1\n255.255.255.255\n2001:db8::1"))
	require.NoError(t, err)
	assert.Equal(t, []string{"10.0.0.1"}, all(s), "loopback and multicast not even in a lab")
}

// TestSpecial: of every special-purpose prefix nothing is left; beside it, all is.
func TestSpecial(t *testing.T) {
	for _, text := range Special() {
		p := netip.MustParsePrefix(text)
		for _, a := range []string{p.Addr().String(), numberOf(p.Addr()).next().addr().String(), spanOf(p).hi.addr().String()} {
			s, _, err := Selection{}.Select(list(t, a))
			require.NoError(t, err)
			assert.Zero(t, s.Len(), "%s of %s", a, text)
		}
	}
	for _, a := range []string{"9.255.255.255", "11.0.0.0", "1.1.1.1", "172.15.255.255", "172.32.0.0", "223.255.255.255", "2001:200::1", "2600::", "2001:db9::"} {
		s, _, err := Selection{}.Select(list(t, a))
		require.NoError(t, err)
		assert.EqualValues(t, 1, s.Len(), a)
	}
	// Whole families: nothing special is left.
	s, skipped, err := Selection{V4: true}.Select(list(t, "0.0.0.0/0"))
	require.NoError(t, err)
	assert.EqualValues(t, 1<<32, s.Len()+skipped)
	// What zmap probes of IPv4 with its list of reserved prefixes, without those of
	// AS112 and AMT.
	assert.EqualValues(t, 3702258432-3*256, s.Len())
}

func TestListErrors(t *testing.T) {
	for want, text := range map[string]string{
		`test: line 2: "x"`:               "8.8.8.8\nx",
		`"fe80::1%eth0"`:                  "fe80::1%eth0",
		`"8.8.8.8/33"`:                    "8.8.8.8/33",
		`line 1: "8.8.8.8 9.9.9.9"`:       "8.8.8.8 9.9.9.9",
		"at most 1024 bytes":              strings.Repeat("8", 2000),
		`"::ffff:8.8.8.8/95"`:             "::ffff:8.8.8.8/95",
		"want an IP address or a prefix ": "8.8.8",
	} {
		assert.ErrorContains(t, (&List{}).ReadAll("test", strings.NewReader(text)), want)
	}
	broken := errors.New("broken")
	assert.ErrorIs(t, (&List{}).ReadAll("test", io.MultiReader(strings.NewReader("8.8.8.8\n"), errReader{broken})), broken)
	_, _, err := Selection{}.Select(list(t, "2600::/12"))
	assert.ErrorContains(t, err, "too wide")
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// TestSetAlgebra compares with sets of single addresses.
func TestSetAlgebra(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) ([]span, map[uint64]bool) {
			var s []span
			m := map[uint64]bool{}
			for range rapid.IntRange(0, 8).Draw(t, name) {
				lo := rapid.Uint64Range(0, 60).Draw(t, "lo")
				hi := rapid.Uint64Range(lo, 63).Draw(t, "hi")
				s = append(s, span{number{7, lo}, number{7, hi}})
				for i := lo; i <= hi; i++ {
					m[i] = true
				}
			}
			return merge(s), m
		}
		a, ma := draw("a")
		b, mb := draw("b")
		check := func(s []span, in func(uint64) bool) {
			set, err := newSet(s)
			require.NoError(t, err)
			var got []uint64
			for i := range set.Len() {
				got = append(got, set.at(i).lo)
			}
			var want []uint64
			for i := range uint64(64) {
				if in(i) {
					want = append(want, i)
				}
			}
			require.Equal(t, want, got)
			require.EqualValues(t, len(want), measure(s))
		}
		check(a, func(i uint64) bool { return ma[i] })
		check(subtract(a, b), func(i uint64) bool { return ma[i] && !mb[i] })
		check(intersect(a, b), func(i uint64) bool { return ma[i] && mb[i] })
	})
}

// TestHash: the hash is that of the addresses, not of how they are written.
func TestHash(t *testing.T) {
	hash := func(text string) [32]byte {
		s, _, err := Selection{}.Select(list(t, text))
		require.NoError(t, err)
		return s.Hash()
	}
	assert.Equal(t, hash("8.8.8.0/31"), hash("8.8.8.1\n8.8.8.0\n8.8.8.1 # twice"))
	assert.NotEqual(t, hash("8.8.8.0/31"), hash("8.8.8.0/30"))
}

func TestOrigins(t *testing.T) {
	o, err := ReadOrigins("test", strings.NewReader("8.0.0.0/8 AS1\n8.8.0.0\t16\t2_3\n8.8.8.0/24 4 # x\n8.8.255.0/24 5\n2600::/12 6,7\n2600:8000::/17 4294967295\n"))
	require.NoError(t, err)
	for a, want := range map[string]uint32{
		"7.255.255.255": 0, "8.0.0.0": 1, "8.7.255.255": 1, "8.8.0.0": 2, "8.8.8.7": 4, "8.8.9.0": 2, "8.8.255.9": 5,
		"8.9.0.0": 1, "8.255.255.255": 1, "9.0.0.0": 0, "2600::": 6, "2600:8000::1": 4294967295, "260f::1": 6, "2610::": 0,
		"::": 0, "ffff::": 0,
	} {
		assert.Equal(t, want, o.Of(netip.MustParseAddr(a)), a)
	}
	for want, text := range map[string]string{
		"PREFIX AS": "8.8.8.8", "a prefix": "8.8.8/24 1", "an AS number": "8.8.8.0/24 0", "line 2": "8.8.8.0/24 1\n8.8.8.0/24 x",
		"at most 1024": strings.Repeat("x", 1500),
	} {
		_, err := ReadOrigins("test", strings.NewReader(text))
		assert.ErrorContains(t, err, want)
	}
}

// TestOriginsProperty compares with a search for the longest prefix.
func TestOriginsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		type route struct {
			p  netip.Prefix
			as uint32
		}
		var routes []route
		for i := range rapid.IntRange(1, 12).Draw(t, "routes") {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{8, 8, 8, byte(rapid.IntRange(0, 255).Draw(t, "host"))}), rapid.IntRange(24, 32).Draw(t, "bits")).Masked()
			dup := false
			for _, r := range routes {
				dup = dup || r.p == p
			}
			if dup {
				continue
			}
			routes = append(routes, route{p, uint32(i + 1)})
			text.WriteString(p.String() + " " + strconv.Itoa(i+1) + "\n")
		}
		o, err := ReadOrigins("test", strings.NewReader(text.String()))
		require.NoError(t, err)
		for host := range 256 {
			a := netip.AddrFrom4([4]byte{8, 8, 8, byte(host)})
			want, bits := uint32(0), -1
			for _, r := range routes {
				if r.p.Contains(a) && r.p.Bits() > bits {
					want, bits = r.as, r.p.Bits()
				}
			}
			require.Equal(t, want, o.Of(a), "%v in\n%s", a, text.String())
		}
	})
}

func FuzzList(f *testing.F) {
	f.Add("8.8.8.8 # x\n8.8.8.0/24\n2600::/64\n::ffff:8.8.8.8/120")
	f.Add("0.0.0.0/0\n::/0")
	f.Fuzz(func(t *testing.T, text string) {
		l := &List{}
		if l.ReadAll("fuzz", strings.NewReader(text)) != nil {
			return
		}
		s, _, err := Selection{}.Select(l)
		if err != nil {
			return
		}
		for _, i := range []uint64{0, s.Len() / 2, s.Len() - 1} {
			if i < s.Len() {
				a := s.At(i)
				require.True(t, a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback(), a)
			}
		}
		s.Hash()
	})
}

func FuzzOrigins(f *testing.F) {
	f.Add("8.0.0.0/8 AS1\n8.8.0.0\t16\t2_3\n", []byte{8, 8, 8, 8})
	f.Add("::/0 1\nffff::/16 2\n", []byte("0123456789abcdef"))
	f.Fuzz(func(t *testing.T, text string, addr []byte) {
		o, err := ReadOrigins("fuzz", strings.NewReader(text))
		if err != nil {
			return
		}
		for i := 1; i < len(o.lo); i++ {
			require.True(t, o.lo[i-1].less(o.lo[i]))
		}
		if a, ok := netip.AddrFromSlice(addr); ok {
			o.Of(a)
		}
	})
}
