package udpopt

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

type piece struct {
	f    Frag
	data []byte
}

func split(t require.TestingT, s Splitter, data, opts []byte, id uint32) []piece {
	seq, err := s.Split(nil, data, opts, id)
	require.NoError(t, err)
	var out []piece
	for f, d := range seq {
		out = append(out, piece{f, d})
	}
	return out
}

var roomy = Reassembly{Size: 65535, Segments: 255}

func newReassembler(t require.TestingT, l ReassemblyLimits) *Reassembler {
	r, err := NewReassembler(l)
	require.NoError(t, err)
	return r
}

var key = FragKey{Src: a4, Dst: b4, ID: 9}

// Section 11.4: fragments carry no user data, the terminal one is of the longer
// form, and whatever order they come in, and however often, the datagram comes
// out once, whole, with its own options.
func TestFragmentsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src, dst := a4, b4
		if rapid.Bool().Draw(t, "IPv6") {
			src, dst = a6, b6
		}
		data := rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "data")
		opts := genOptions(t)
		s := Splitter{Size: rapid.IntRange(fragHeadLast+1, 700).Draw(t, "size"), Peer: roomy}
		whole := headerLen + len(data) + 3 + len(opts)
		if s.count(whole) > 255 {
			t.Skip("more than 255 fragments")
		}
		pieces := split(t, s, data, opts, 7)
		order := rapid.Permutation(indices(len(pieces), rapid.IntRange(0, 2).Draw(t, "repeats"))).Draw(t, "order")
		r := newReassembler(t, ReassemblyLimits{Accept: roomy})
		done := 0
		seen := map[int]bool{}
		for _, i := range order {
			p, err := AppendFragment(nil, src, dst, pieces[i].f, pieces[i].data)
			require.NoError(t, err)
			if len(p) > s.Size {
				t.Fatalf("fragment of %d bytes, want at most %d", len(p), s.Size)
			}
			got := Receive(src.Addr(), dst.Addr(), p)
			if got.Do != Fragment || len(got.UserData) != 0 {
				t.Fatalf("%v %v", got.Do, got.Err)
			}
			f, d, _ := got.Options.Fragment()
			if f != pieces[i].f || string(d) != string(pieces[i].data) {
				t.Fatalf("%+v, want %+v", f, pieces[i].f)
			}
			if len(seen) == len(pieces) {
				break // a repetition after the end would start anew
			}
			seen[i] = true
			out, ok, err := r.Insert(t0, FragKey{src, dst, f.ID}, f, d)
			require.NoError(t, err)
			if !ok {
				continue
			}
			done++
			require.NoError(t, out.Err)
			if string(out.UserData) != string(data) {
				t.Fatalf("got %x, want %x", out.UserData, data)
			}
			var again []byte
			for o := range out.Options.All() {
				again, _ = AppendOption(again, o.Kind, o.Data)
			}
			if string(again) != string(opts) {
				t.Fatalf("options %x, want %x", again, opts)
			}
		}
		if done != 1 || r.Pending() != 0 {
			t.Fatalf("%d datagrams, %d pending", done, r.Pending())
		}
	})
}

func indices(n, repeats int) []int {
	var out []int
	for range repeats + 1 {
		for i := range n {
			out = append(out, i)
		}
	}
	return out
}

func TestSplit(t *testing.T) {
	t.Run("section 11.4: a single fragment has offset 0", func(t *testing.T) {
		p := split(t, Splitter{Size: 100, Peer: roomy}, []byte("abc"), nil, 1)
		require.Len(t, p, 1)
		assert.Equal(t, Frag{Start: 22, ID: 1, Offset: 0, Terminal: true, RDOS: 11}, p[0].f)
	})
	t.Run("section 11.6: two fragments of 1500-byte packets make the default MRDS", func(t *testing.T) {
		for _, c := range []struct {
			header int
			peer   Reassembly
		}{{20, DefaultReassembly4}, {40, DefaultReassembly6}} {
			s := Splitter{Size: 1500 - c.header, Peer: c.peer}
			data := make([]byte, int(c.peer.Size)-headerLen)
			p := split(t, s, data, nil, 1)
			require.Len(t, p, 2)
			for _, x := range p {
				b, err := AppendFragment(nil, a4, b4, x.f, x.data)
				require.NoError(t, err)
				assert.LessOrEqual(t, len(b), s.Size)
			}
			_, err := s.Split(nil, append(data, 0), nil, 1)
			assert.ErrorIs(t, err, ErrFragments)
		}
	})
	t.Run("section 11.6: as many segments as the peer takes", func(t *testing.T) {
		_, err := Splitter{Size: 100, Peer: Reassembly{65535, 2}}.Split(nil, make([]byte, 300), nil, 1)
		assert.EqualError(t, err, "udpopt: datagram is larger than the peer reassembles: 4 fragments, MRDS allows 2")
	})
	t.Run("size", func(t *testing.T) {
		_, err := Splitter{Size: 22, Peer: roomy}.Split(nil, nil, nil, 1)
		assert.EqualError(t, err, "udpopt: size is 22, want 23 to 65535 bytes of IP payload")
	})
	t.Run("too large a fragment", func(t *testing.T) {
		_, err := AppendFragment(nil, a4, b4, Frag{Start: fragHead}, make([]byte, 65535))
		var e *SizeError
		assert.ErrorAs(t, err, &e)
	})
}

func TestReassemblyRefuses(t *testing.T) {
	abc := []piece{{Frag{ID: 9, Offset: 8}, []byte("aaaa")}, {Frag{ID: 9, Offset: 12}, []byte("bbbb")},
		{Frag{ID: 9, Offset: 16, Terminal: true, RDOS: 20}, []byte("cccc")}}
	for _, c := range []struct {
		name   string
		pieces []piece
		err    error // of the last one
	}{
		{"overlap before", []piece{abc[1], {Frag{Offset: 10}, []byte("xxxx")}}, ErrOverlap},
		{"overlap after", []piece{abc[1], {Frag{Offset: 14}, []byte("xxxx")}}, ErrOverlap},
		{"overlap of one byte after", []piece{abc[1], {Frag{Offset: 15}, []byte("xxxx")}}, ErrOverlap},
		{"overlap of one byte before", []piece{abc[1], {Frag{Offset: 9}, []byte("xxxx")}}, ErrOverlap},
		{"overlap within", []piece{abc[1], {Frag{Offset: 13}, []byte("b")}}, ErrOverlap},
		{"overlap around", []piece{abc[1], {Frag{Offset: 10}, []byte("xxxxxxxx")}}, ErrOverlap},
		{"the same place, other bytes", []piece{abc[1], {Frag{Offset: 12}, []byte("bbbB")}}, ErrOverlap},
		{"the same bytes, but terminal", []piece{abc[1], {Frag{Offset: 12, Terminal: true, RDOS: 16}, []byte("bbbb")}}, ErrOverlap},
		{"empty end within", []piece{abc[1], {Frag{Offset: 14, Terminal: true, RDOS: 14}, nil}}, ErrOverlap},
		{"two ends", []piece{abc[2], {Frag{Offset: 20, Terminal: true, RDOS: 24}, []byte("dddd")}}, ErrBounds},
		{"end before what has come", []piece{abc[2], {Frag{Offset: 8, Terminal: true, RDOS: 9}, []byte("a")}}, ErrBounds},
		{"end before data", []piece{abc[1], {Frag{Offset: 8, Terminal: true, RDOS: 9}, []byte("a")}}, ErrBounds},
		{"data beyond the end", []piece{abc[2], {Frag{Offset: 20}, []byte("dddd")}}, ErrBounds},
		{"offset in the UDP header", []piece{{Frag{Offset: 7}, []byte("x")}}, ErrBounds},
		{"offset 0, not terminal", []piece{{Frag{Offset: 0}, []byte("x")}}, ErrBounds},
		{"no data, not terminal", []piece{{Frag{Offset: 8}, nil}}, ErrBounds},
		{"RDOS in the UDP header", []piece{{Frag{Offset: 8, Terminal: true, RDOS: 7}, []byte("x")}}, ErrBounds},
		{"RDOS beyond the end", []piece{{Frag{Offset: 8, Terminal: true, RDOS: 10}, []byte("x")}}, ErrBounds},
		{"beyond MRDS", []piece{{Frag{Offset: 2926}, []byte("x")}}, ErrTooLarge},
		{"more segments than MRDS", []piece{abc[0], abc[1], abc[2]}, ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReassembler(t, ReassemblyLimits{})
			for i, p := range c.pieces {
				_, ok, err := r.Insert(t0, key, p.f, p.data)
				assert.False(t, ok)
				if i < len(c.pieces)-1 {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, c.err)
				}
			}
			// Whatever else comes of it is dropped, until the timeout.
			for _, p := range abc {
				_, ok, err := r.Insert(t0.Add(ReassemblyTimeout-1), key, p.f, p.data)
				assert.False(t, ok)
				assert.NoError(t, err)
			}
			assert.Equal(t, 1, r.Pending())
			assert.Equal(t, t0.Add(ReassemblyTimeout), r.Next())
			r.Expire(t0.Add(ReassemblyTimeout))
			assert.Equal(t, 0, r.Pending())
			assert.True(t, r.Next().IsZero())
		})
	}
}

// Section 25.4: one socket pair can't use up what belongs to all.
func TestReassemblyIsBounded(t *testing.T) {
	r := newReassembler(t, ReassemblyLimits{Pending: 5, PerPair: 2})
	first := Frag{Offset: 8}
	insert := func(src netip.AddrPort, id uint32) error {
		_, _, err := r.Insert(t0, FragKey{src, b4, id}, first, []byte("x"))
		return err
	}
	other := netip.MustParseAddrPort("192.0.2.2:1")
	third := netip.MustParseAddrPort("192.0.2.3:1")
	require.NoError(t, insert(a4, 1))
	require.NoError(t, insert(a4, 2))
	assert.ErrorIs(t, insert(a4, 3), ErrBusy)
	require.NoError(t, insert(a4, 2), "one under way already")
	require.NoError(t, insert(other, 3))
	require.NoError(t, insert(other, 4))
	require.NoError(t, insert(third, 5))
	assert.ErrorIs(t, insert(third, 6), ErrBusy)
	assert.Equal(t, 5, r.Pending())
	_, _, err := r.Insert(t0.Add(ReassemblyTimeout), FragKey{third, b4, 6}, first, []byte("x"))
	assert.NoError(t, err)
	assert.Equal(t, 1, r.Pending())
}

func TestReassemblyLimits(t *testing.T) {
	for _, c := range []struct {
		l    ReassemblyLimits
		want string
	}{
		{ReassemblyLimits{Accept: Reassembly{2885, 2}}, "udpopt: ReassemblyLimits.Accept is {2885 2}, want at least 2886 bytes and 2 segments (RFC 9868 section 11.6)"},
		{ReassemblyLimits{Accept: Reassembly{3000, 1}}, "udpopt: ReassemblyLimits.Accept is {3000 1}, want at least 2886 bytes and 2 segments (RFC 9868 section 11.6)"},
		{ReassemblyLimits{Pending: -1}, "udpopt: ReassemblyLimits.Pending is -1, want at least 1"},
		{ReassemblyLimits{PerPair: 65}, "udpopt: ReassemblyLimits.PerPair is 65, want 1 to Pending"},
		{ReassemblyLimits{Timeout: 121 * time.Second}, "udpopt: ReassemblyLimits.Timeout is 2m1s, want up to 2m0s (RFC 9868 section 11.4)"},
	} {
		_, err := NewReassembler(c.l)
		assert.EqualError(t, err, c.want)
	}
}

// The options of a reassembled datagram follow the same rules.
func TestReassembledOptions(t *testing.T) {
	for _, c := range []struct {
		name string
		data string
		opts []byte
		want error
		left string
	}{
		{"section 10: malformed", "data", []byte{100, 1}, BadLength, "data"},
		{"section 12: UNSAFE drops the data", "data", []byte{200, 2}, UnsafeOption, ""},
		{"section 11.4: nested FRAG beside data", "data", AppendFRAG(nil, Frag{Start: 8 + 4 + 2 + 10}), FragData, "data"},
		{"nested FRAG without data", "", AppendFRAG(nil, Frag{Start: 8 + 2 + 10}), UnsafeOption, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReassembler(t, ReassemblyLimits{})
			p := split(t, Splitter{Size: 1000, Peer: roomy}, []byte(c.data), c.opts, 1)
			out, ok, err := r.Insert(t0, key, p[0].f, p[0].data)
			require.NoError(t, err)
			require.True(t, ok)
			assert.Equal(t, c.want, out.Err)
			assert.Equal(t, c.left, string(out.UserData))
			assert.Equal(t, Options{}, out.Options)
		})
	}
}
