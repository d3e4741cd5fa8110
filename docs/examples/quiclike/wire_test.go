package quiclike

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHeader(t *testing.T) {
	want := header{kind: kindProbe, number: 1 << 30, conn: 1<<63 + 5, offset: 7}
	b := want.append(nil)
	require.Len(t, b, HeaderLen)
	h, rest, err := parseHeader(append(b, 1, 2))
	require.NoError(t, err)
	assert.Equal(t, want, h)
	assert.Equal(t, []byte{1, 2}, rest)
	for n := range b {
		_, _, err := parseHeader(b[:n])
		assert.Error(t, err, n)
	}
}

func TestRanges(t *testing.T) {
	want := []numbers{{1, 3}, {5, 5}, {9, 1 << 31}}
	b := appendRanges(nil, want)
	got, err := parseRanges(b)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	for n := range b {
		if _, err := parseRanges(b[:n]); n%8 != 0 || n == 0 {
			assert.Error(t, err, n)
		}
	}
	for _, bad := range [][]numbers{{{3, 1}}, {{5, 6}, {1, 2}}, {{1, 3}, {3, 4}}, make([]numbers, maxRanges+1)} {
		_, err := parseRanges(appendRanges(nil, bad))
		assert.Error(t, err, bad)
	}
}

func FuzzPeers(f *testing.F) {
	f.Add(appendRanges(header{kind: kindAck, conn: 42}.append(nil), []numbers{{0, 0}}))
	f.Add(append(header{kind: kindLast, conn: 42, offset: 1 << 63}.append(nil), 1, 2, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		now := time.Unix(1000, 0)
		s, err := newSender(bytes.NewReader(make([]byte, 4000)), Config{}, 42, now)
		require.NoError(t, err)
		_, err = s.next(now)
		require.NoError(t, err)
		s.received(now.Add(time.Millisecond), b)
		require.LessOrEqual(t, len(s.flight), 1)

		var got bytes.Buffer
		r := &receiver{dst: &got, held: map[uint64]chunk{}}
		require.NoError(t, r.received(now, b))
		require.LessOrEqual(t, got.Len(), len(b))
		if ack := r.ack(now.Add(time.Second)); ack != nil {
			_, rest, err := parseHeader(ack)
			require.NoError(t, err)
			_, err = parseRanges(rest)
			require.NoError(t, err)
		}
	})
}

func TestSeenNumbers(t *testing.T) {
	var r receiver
	for _, n := range []uint32{4, 2, 6, 3, 5} {
		assert.True(t, r.see(n))
		assert.False(t, r.see(n), "twice")
	}
	assert.Equal(t, []numbers{{2, 6}}, r.seen)
	for n := range uint32(100) {
		r.see(10 + 2*n)
	}
	assert.Len(t, r.seen, maxRanges)
	assert.False(t, r.see(1), "too old")
	assert.True(t, slices.IsSortedFunc(r.seen, func(a, b numbers) int { return int(a.lo) - int(b.lo) }))
}
