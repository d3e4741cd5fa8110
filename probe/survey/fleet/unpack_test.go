package fleet

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/probe/survey"
)

// pack makes a blob of what is written, which need not be something that this
// program would pack.
func pack(t *testing.T, magic string, write func(io.Writer), options ...zstd.EOption) []byte {
	out := bytes.NewBufferString(magic)
	z, err := zstd.NewWriter(out, append(options, zstd.WithEncoderConcurrency(1))...)
	require.NoError(t, err)
	write(z)
	require.NoError(t, z.Close())
	return out.Bytes()
}

// allocated returns how many bytes f allocates in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const mebi = 1 << 20

// A list that holds more than its plan says ends the reading, whatever is packed
// behind: 68 MB here.
func TestListBomb(t *testing.T) {
	b := pack(t, listMagic, func(w io.Writer) {
		line := make([]byte, 17)
		line[16] = 1
		chunk := bytes.Repeat(line, 1000)
		for i := range 4000 {
			for k := range 1000 {
				binary.BigEndian.PutUint64(chunk[17*k+8:], uint64(1000*i+k)<<16)
			}
			_, err := w.Write(chunk)
			require.NoError(t, err)
		}
	})
	require.Less(t, len(b), 8*mebi)
	took := allocated(func() {
		_, err := DecodeList(b, 1000)
		assert.ErrorContains(t, err, "targets is 1000, want more, as the list holds")
	})
	assert.Less(t, took, uint64(32*mebi))
}

// A table of origins is read piece by piece, and not beyond a bound.
func TestOriginsBomb(t *testing.T) {
	comments := bytes.Repeat([]byte("# nothing of use\n"), mebi/17)
	fill := func(n int) func(io.Writer) {
		return func(w io.Writer) {
			for range n {
				_, err := w.Write(comments)
				require.NoError(t, err)
			}
			_, err := io.WriteString(w, "192.0.2.0/24 64500\n")
			require.NoError(t, err)
		}
	}
	small, large := pack(t, originsMagic, fill(60)), pack(t, originsMagic, fill(130))
	took := allocated(func() {
		o, err := decodeOrigins(small)
		require.NoError(t, err)
		assert.EqualValues(t, 64500, o.Of(netip.MustParseAddr("192.0.2.1")))
		_, err = decodeOrigins(large)
		assert.ErrorContains(t, err, "more than 134217728 bytes when unpacked")
	})
	assert.Less(t, took, uint64(len(comments)*200), "lines are read one by one")
	_, err := EncodeOrigins(make([]byte, mostOrigins+1))
	assert.ErrorContains(t, err, "origins is 134217729 bytes, want at most 134217728")
}

// A blob that refers back farther than those that are packed here is refused,
// before there is memory for it.
func TestWideWindow(t *testing.T) {
	b := pack(t, originsMagic, func(w io.Writer) {
		_, err := io.Copy(w, strings.NewReader(strings.Repeat("#\n", mebi)))
		require.NoError(t, err)
	}, zstd.WithWindowSize(512*mebi))
	took := allocated(func() {
		_, err := decodeOrigins(b)
		assert.ErrorContains(t, err, "window size exceeded")
	})
	assert.Less(t, took, uint64(64*mebi))
}

// What is longer than the window comes back as it was.
func TestLongBlobs(t *testing.T) {
	var l survey.List
	for i := range 700_000 {
		a := netip.AddrFrom4([4]byte{10 + byte(i>>19), byte(i >> 11), byte(i >> 3), byte(i << 5)})
		require.NoError(t, l.Add(a.String()))
	}
	s, _, err := survey.Selection{Lab: true}.Select(&l)
	require.NoError(t, err)
	b, err := EncodeList(s)
	require.NoError(t, err)
	again, err := DecodeList(b, s.Len())
	require.NoError(t, err)
	assert.Equal(t, s.Hash(), again.Hash())

	text := []byte(strings.Repeat("192.0.2.0/24 64500 # documentation\n", 300_000))
	b, err = EncodeOrigins(text)
	require.NoError(t, err)
	o, err := decodeOrigins(b)
	require.NoError(t, err)
	assert.EqualValues(t, 64500, o.Of(netip.MustParseAddr("192.0.2.255")))
	for _, n := range []int{0, 5, 8, 20, len(b) / 2, len(b) - 1} {
		_, err = decodeOrigins(b[:n])
		if n == len(originsMagic) {
			assert.NoError(t, err, "an empty table")
			continue
		}
		assert.Error(t, err, n)
	}
}
