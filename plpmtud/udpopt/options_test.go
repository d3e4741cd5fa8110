package udpopt

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// area builds a surplus area that starts at an even offset.
func area(opts ...byte) []byte {
	b := append(make([]byte, ocsLen), opts...)
	SetOCS(b, 0)
	return b
}

func cat(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func TestKinds(t *testing.T) {
	for k, name := range map[Kind]string{
		0: "EOL", 1: "NOP", 2: "APC", 3: "FRAG", 4: "MDS", 5: "MRDS", 6: "REQ", 7: "RES", 8: "TIME",
		9: "SAFE(9)", 127: "EXP", 191: "SAFE(191)", 192: "UNSAFE(192)", 254: "UEXP", 255: "UNSAFE(255)",
	} {
		assert.Equal(t, name, k.String())
		assert.Equal(t, k < 192, k.Safe(), name)
		assert.Equal(t, k < 8, k.MustSupport(), name)
	}
}

// The wire images of the options, written out (RFC 9868 section 11).
func TestWireImages(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []byte
		want []byte
	}{
		{"EOL", AppendEOL(nil), []byte{0}},
		{"NOP", AppendNOP(nil, 3), []byte{1, 1, 1}},
		{"APC", AppendAPC(nil, 0xe3069283), []byte{2, 6, 0xe3, 0x06, 0x92, 0x83}},
		{"FRAG", AppendFRAG(nil, Frag{Start: 20, ID: 0x01020304, Offset: 1468}), []byte{3, 10, 0, 20, 1, 2, 3, 4, 0x05, 0xbc}},
		{"FRAG terminal", AppendFRAG(nil, Frag{Start: 22, ID: 0x01020304, Offset: 1468, Terminal: true, RDOS: 2000}),
			[]byte{3, 12, 0, 22, 1, 2, 3, 4, 0x05, 0xbc, 0x07, 0xd0}},
		{"MDS", AppendMDS(nil, 1472), []byte{4, 4, 0x05, 0xc0}},
		{"MRDS", AppendMRDS(nil, Reassembly{Size: 2926, Segments: 2}), []byte{5, 5, 0x0b, 0x6e, 2}},
		{"REQ", AppendREQ(nil, 0xcafef00d), []byte{6, 6, 0xca, 0xfe, 0xf0, 0x0d}},
		{"RES", AppendRES(nil, 0xcafef00d), []byte{7, 6, 0xca, 0xfe, 0xf0, 0x0d}},
		{"TIME", AppendTIME(nil, Timestamp{1, 2}), []byte{8, 10, 0, 0, 0, 1, 0, 0, 0, 2}},
	} {
		assert.Equal(t, c.want, c.got, c.name)
	}
}

func TestParseAllKinds(t *testing.T) {
	frag := Frag{Start: 0, ID: 7, Offset: 8}
	opts := cat(AppendNOP(nil, 2), AppendAPC(nil, PayloadChecksum([]byte("hi"))), AppendMDS(nil, 1452),
		AppendMRDS(nil, Reassembly{4000, 3}), AppendREQ(nil, 1), AppendRES(nil, 2), AppendTIME(nil, Timestamp{3, 4}))
	o, err := Parse(area(opts...), 0, 1)
	require.NoError(t, err)
	for _, k := range []Kind{APC, MDS, MRDS, REQ, RES, TIME} {
		assert.True(t, o.Has(k), k.String())
	}
	for _, k := range []Kind{FRAG, EXP, 9} {
		assert.False(t, o.Has(k), k.String())
	}
	req, _ := o.REQ()
	res, _ := o.RES()
	mds, _ := o.MDS()
	mrds, _ := o.MRDS()
	ts, _ := o.TIME()
	assert.Equal(t, []any{Token(1), Token(2), uint16(1452), Reassembly{4000, 3}, Timestamp{3, 4}}, []any{req, res, mds, mrds, ts})
	assert.Equal(t, APCPassed, o.CheckAPC([]byte("hi")))
	assert.Equal(t, APCFailed, o.CheckAPC([]byte("ho")))
	assert.Equal(t, 2, o.NOPs())

	frag.Start = uint16(headerLen + ocsLen + lenFragNonTerminal)
	o, err = Parse(area(append(AppendFRAG(nil, frag), "data"...)...), headerLen, 1)
	require.NoError(t, err)
	f, data, ok := o.Fragment()
	require.True(t, ok)
	assert.Equal(t, frag, f)
	assert.Equal(t, "data", string(data))
}

// None of the accessors invents anything.
func TestAbsent(t *testing.T) {
	for _, o := range []Options{{}, mustParse(t, area()), mustParse(t, area(0, 0, 0))} {
		for k := Kind(0); k < 255; k++ {
			assert.False(t, o.Has(k))
		}
		_, req := o.REQ()
		_, res := o.RES()
		_, mds := o.MDS()
		_, mrds := o.MRDS()
		_, ts := o.TIME()
		_, frag := o.FRAG()
		_, _, data := o.Fragment()
		assert.Equal(t, [7]bool{}, [7]bool{req, res, mds, mrds, ts, frag, data})
		assert.Equal(t, APCAbsent, o.CheckAPC([]byte("x")))
	}
}

func mustParse(t *testing.T, b []byte) Options {
	o, err := Parse(b, 0, 1)
	require.NoError(t, err)
	return o
}

func TestMalformed(t *testing.T) {
	many := func(n int) (b []byte) {
		for range n {
			b = append(b, 100, 2)
		}
		return b
	}
	fragAt := func(start uint16, tail ...byte) []byte {
		return append(AppendFRAG(nil, Frag{Start: start, Offset: 8}), tail...)
	}
	for _, c := range []struct {
		name string
		opts []byte
		want error
	}{
		{"section 10: length 0", []byte{100, 0}, BadLength},
		{"section 10: length 1", []byte{100, 1}, BadLength},
		{"section 10: no length", []byte{100}, BadLength},
		{"section 10: past the end", []byte{100, 3}, BadLength},
		{"section 10: past the end after a good one", append(AppendREQ(nil, 1), 100, 9, 0), BadLength},
		{"section 10: extended without length", []byte{100, 255, 0}, BadLength},
		{"section 10: extended shorter than its head", []byte{100, 255, 0, 3}, BadLength},
		{"section 10: extended past the end", []byte{100, 255, 1, 0, 0}, BadLength},
		{"section 10: APC below its minimum", []byte{2, 5, 0, 0, 0}, BadLength},
		{"section 10: FRAG below its minimum", append([]byte{3, 9}, make([]byte, 7)...), BadLength},
		{"section 10: MDS below its minimum", []byte{4, 3, 5}, BadLength},
		{"section 10: MRDS below its minimum", []byte{5, 4, 5, 5}, BadLength},
		{"section 10: REQ below its minimum", []byte{6, 5, 1, 2, 3}, BadLength},
		{"section 10: RES below its minimum", []byte{7, 5, 1, 2, 3}, BadLength},
		{"section 10: TIME below its minimum", append([]byte{8, 9}, make([]byte, 7)...), BadLength},
		{"section 11.10: EXP without an identifier", []byte{127, 3, 1}, BadLength},
		{"section 10: REQ extended below its minimum", []byte{6, 255, 0, 7, 1, 2, 3}, BadLength},
		{"section 11.1: byte after EOL", []byte{0, 0, 1}, NonZeroTail},
		{"section 11.1: last byte after EOL", append(make([]byte, 40), 1), NonZeroTail},
		{"section 10: two FRAG", cat(fragAt(uint16(headerLen+ocsLen+20)), fragAt(uint16(headerLen+ocsLen+20))), TwoFrags},
		{"section 10: FRAG of length 11", append([]byte{3, 11}, make([]byte, 9)...), UnsafeOption},
		{"section 10: FRAG of length 13", append([]byte{3, 13}, make([]byte, 11)...), UnsafeOption},
		{"section 12: unsupported UNSAFE", []byte{192, 2}, UnsafeOption},
		{"section 12: UEXP", []byte{254, 4, 0, 1}, UnsafeOption},
		{"section 12: UNSAFE in a fragment", cat(AppendFRAG(nil, Frag{Start: headerLen + ocsLen + 12, Offset: 8}), []byte{192, 2}), UnsafeFragment},
		{"section 11.4: Frag. Start before the end of FRAG", fragAt(headerLen+ocsLen+9, 1, 2, 3), BadLength},
		{"section 11.4: Frag. Start in the UDP header", fragAt(4, 1, 2, 3), BadLength},
		{"section 11.4: Frag. Start beyond the packet", fragAt(headerLen+ocsLen+14, 1, 2, 3), BadLength},
		{"section 25.3: too many options", many(maxOptions + 1), TooMany},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := Parse(area(c.opts...), headerLen, 1)
			assert.Equal(t, c.want, err)
			assert.Equal(t, Options{}, o)
			assert.NotContains(t, err.Error(), "BUG")
		})
	}
	_, err := Parse(area(many(maxOptions)...), 0, 1)
	assert.NoError(t, err)
}

func TestSkipped(t *testing.T) {
	req := AppendREQ(nil, 42)
	for _, c := range []struct {
		name string
		opts []byte
	}{
		{"section 10: unknown SAFE", cat([]byte{100, 4, 1, 2}, req)},
		{"section 10: unknown SAFE, extended", cat([]byte{100, 255, 0, 6, 1, 2}, req)},
		{"section 10: MDS longer than it should be", cat([]byte{4, 5, 1, 2, 3}, req)},
		{"section 10: repetition", cat(req, AppendREQ(nil, 43))},
		{"section 11.2: more than seven NOPs", cat(AppendNOP(nil, 20), req, AppendNOP(nil, 20))},
		{"section 11.1: EOL and padding", cat(req, make([]byte, 1400))},
		{"section 11.1: nothing after EOL is an option", cat(req, []byte{0})},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := Parse(area(c.opts...), 0, 1)
			require.NoError(t, err)
			token, ok := o.REQ()
			assert.True(t, ok)
			assert.Equal(t, Token(42), token)
			assert.False(t, o.Has(MDS))
		})
	}
	t.Run("section 11.3: APC of unknown length is a failed APC", func(t *testing.T) {
		o, err := Parse(area(2, 7, 1, 2, 3, 4, 5), 0, 1)
		require.NoError(t, err)
		assert.Equal(t, APCFailed, o.CheckAPC(nil))
		o, err = Parse(area(cat([]byte{2, 7, 1, 2, 3, 4, 5}, AppendAPC(nil, PayloadChecksum(nil)))...), 0, 1)
		require.NoError(t, err)
		assert.Equal(t, APCFailed, o.CheckAPC(nil), "the first instance counts")
	})
}

func TestOCSRules(t *testing.T) {
	good := area(AppendREQ(nil, 1)...)
	for _, c := range []struct {
		name     string
		surplus  []byte
		start    int
		checksum uint16
		want     error
	}{
		{"section 8: one byte", []byte{0}, 8, 1, NoRoom},
		{"section 8: two bytes at an odd start", []byte{0, 0}, 9, 1, NoRoom},
		{"section 8: pad byte not zero", append([]byte{1}, good...), 9, 1, NonZeroPad},
		{"section 9: OCS wrong", append([]byte{good[0] ^ 1}, good[1:]...), 8, 1, BadOCS},
		{"section 9: OCS right, but not for this length", append(append([]byte{}, good...), 0, 0), 8, 1, BadOCS},
		{"section 9: OCS zero, UDP checksum not", make([]byte, 8), 8, 1, NoOCS},
		{"section 9: OCS zero, UDP checksum too", make([]byte, 8), 8, 0, nil},
		{"section 9: OCS wrong, UDP checksum zero", append([]byte{good[0] ^ 1}, good[1:]...), 8, 0, BadOCS},
		{"section 9: OCS right, UDP checksum zero", good, 8, 0, nil},
		{"no surplus area", nil, 8, 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.surplus, c.start, c.checksum)
			assert.Equal(t, c.want, err)
		})
	}
}

// Every prefix of a good surplus area fails cleanly, since the OCS covers the
// length; every single bit that flips is noticed.
func TestTruncatedAndFlipped(t *testing.T) {
	for _, start := range []int{8, 9} {
		opts := cat(AppendMDS(nil, 1452), AppendREQ(nil, 0xdeadbeef), make([]byte, 5))
		good := append(make([]byte, start&1+ocsLen), opts...)
		SetOCS(good, start)
		_, err := Parse(good, start, 1)
		require.NoError(t, err)
		for n := 1; n < len(good); n++ {
			_, err := Parse(good[:n], start, 1)
			assert.Error(t, err, "prefix of %d bytes", n)
		}
		for bit := range len(good) * 8 {
			bad := append([]byte{}, good...)
			bad[bit/8] ^= 1 << (bit % 8)
			_, err := Parse(bad, start, 1)
			assert.Error(t, err, "bit %d", bit)
		}
	}
}

func TestAll(t *testing.T) {
	opts := cat(AppendNOP(nil, 1), AppendREQ(nil, 5), []byte{100, 2}, AppendREQ(nil, 6), []byte{0, 0, 0})
	o := mustParse(t, area(opts...))
	var got []string
	for opt := range o.All() {
		got = append(got, fmt.Sprintf("%d %v %x", opt.Offset, opt.Kind, opt.Data))
	}
	assert.Equal(t, []string{"2 NOP ", "3 REQ 00000005", "9 SAFE(100) ", "11 REQ 00000006", "17 EOL "}, got)
	for range o.All() {
		break
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src, dst, data, opts, size := genDatagram(t)
		p, err := AppendDatagram(nil, src, dst, data, opts, size)
		if err != nil {
			t.Fatal(err)
		}
		if size != 0 && len(p) != size {
			t.Fatalf("size %d, want %d", len(p), size)
		}
		r := Receive(src.Addr(), dst.Addr(), p)
		if r.Do != Deliver || r.Err != nil || string(r.UserData) != string(data) {
			t.Fatalf("%v %v %x", r.Do, r.Err, r.UserData)
		}
		var again []byte
		for o := range r.Options.All() {
			if o.Kind == EOL {
				break
			}
			again, _ = AppendOption(again, o.Kind, o.Data)
		}
		if string(again) != string(opts) {
			t.Fatalf("options %x, want %x", again, opts)
		}
	})
}

func TestAppendOption(t *testing.T) {
	b, err := AppendOption(nil, 100, make([]byte, 252))
	require.NoError(t, err)
	assert.Equal(t, []byte{100, 254}, b[:2])
	b, err = AppendOption(nil, 100, make([]byte, 253))
	require.NoError(t, err)
	assert.Equal(t, []byte{100, 255, 1, 1}, b[:4])
	assert.Len(t, b, 257)
	_, err = AppendOption(nil, 100, make([]byte, MaxOptionData+1))
	assert.ErrorIs(t, err, ErrOptionTooLong)
}

func TestAppendDatagramErrors(t *testing.T) {
	prefix := []byte("prefix")
	for _, c := range []struct {
		name string
		dst  string
		size int
		data int
		want string
	}{
		{"too small", "192.0.2.2:1", 15, 0, "udpopt: size is 15, want 16 to 65535 bytes of IP payload"},
		{"too large", "192.0.2.2:1", 65536, 0, "udpopt: size is 65536, want 16 to 65535 bytes of IP payload"},
		{"data too large", "192.0.2.2:1", 0, 65535, "udpopt: size is 65552, want 65552 to 65535 bytes of IP payload"},
		{"families", "[2001:db8::1]:1", 0, 0, "udpopt: addresses are 192.0.2.1 and 2001:db8::1, want two of one family"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := AppendDatagram(prefix, a4, netip.MustParseAddrPort(c.dst), make([]byte, c.data), AppendREQ(nil, 1), c.size)
			require.EqualError(t, err, c.want)
			assert.Equal(t, prefix, b)
		})
	}
}
