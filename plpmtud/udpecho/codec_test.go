package udpecho

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var secret = []byte("sixteen bytes or more of secret")

// D4.1-1, D4.1-3: whatever is sent is recognised, with its token and size.
func TestCodecRoundTrip(t *testing.T) {
	c := newCodec(secret)
	rapid.Check(t, func(t *rapid.T) {
		h := header{
			kind:   rapid.SampledFrom([]kind{probeKind, answerKind}).Draw(t, "kind"),
			length: rapid.IntRange(headerLen, maxPayload).Draw(t, "length"),
			token:  rapid.Uint64().Draw(t, "token"),
		}
		b := make([]byte, rapid.IntRange(headerLen, 2000).Draw(t, "datagram"))
		c.put(b, h)
		got, ok := c.parse(b)
		if !ok || got != h {
			t.Fatalf("sent %+v, got %+v, %v", h, got, ok)
		}
	})
}

// D4.1-1: whatever differs in one bit, is cut off, or was made under another
// key, belongs to the application.
func TestCodecLeavesTheRestToTheApplication(t *testing.T) {
	c := newCodec(secret)
	b := make([]byte, headerLen)
	c.put(b, header{kind: probeKind, length: 1400, token: 0x0123456789abcdef})
	_, ok := c.parse(b)
	require.True(t, ok)
	for n := range headerLen {
		_, ok := c.parse(b[:n])
		assert.False(t, ok, "%d bytes", n)
	}
	for bit := range 8 * headerLen {
		other := bytes.Clone(b)
		other[bit/8] ^= 1 << (bit % 8)
		_, ok := c.parse(other)
		assert.False(t, ok, "bit %d", bit)
	}
	for _, other := range []*codec{newCodec(nil), newCodec([]byte("another sixteen bytes"))} {
		_, ok := other.parse(b)
		assert.False(t, ok)
		assert.False(t, other.marked(b))
	}
	assert.Equal(t, newCodec(nil).mark, newCodec(nil).mark)
}

func TestHeaderValid(t *testing.T) {
	for _, tt := range []struct {
		h    header
		n    int
		want bool
	}{
		{header{kind: probeKind, length: 1400}, 1400, true},
		{header{kind: probeKind, length: 1400}, 900, true}, // the reader's buffer is small
		{header{kind: probeKind, length: 1400}, 1401, false},
		{header{kind: probeKind, length: headerLen - 1}, headerLen - 1, false},
		{header{kind: probeKind, length: maxPayload + 1}, headerLen, false},
		{header{kind: answerKind, length: 1400}, headerLen, true},
		{header{kind: answerKind, length: 1400}, headerLen + 1, false},
		{header{kind: answerKind, length: 3}, headerLen, false},
		{header{kind: 0, length: 1400}, headerLen, false},
		{header{kind: 3, length: 1400}, headerLen, false},
	} {
		assert.Equal(t, tt.want, tt.h.valid(tt.n), "%+v, %d", tt.h, tt.n)
	}
}

func TestApplicationDatagramsCostNoAllocation(t *testing.T) {
	c := newCodec(nil)
	b := make([]byte, 1400)
	assert.Zero(t, testing.AllocsPerRun(100, func() { c.parse(b) }))
}

func FuzzParse(f *testing.F) {
	c := newCodec(secret)
	b := make([]byte, 40)
	c.put(b, header{kind: probeKind, length: 40, token: 1})
	f.Add(b)
	c.put(b, header{kind: answerKind, length: 1400, token: 2})
	f.Add(b[:headerLen])
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := c.parse(b)
		if !ok {
			return
		}
		// Only what put writes is accepted, up to the byte that is ignored.
		again := make([]byte, headerLen)
		c.put(again, h)
		if b[offKind+1] == 0 {
			require.Equal(t, again, b[:headerLen])
		}
		_ = h.valid(len(b)) // must not panic
	})
}
