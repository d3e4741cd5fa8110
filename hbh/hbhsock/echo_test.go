package hbhsock

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEcho(t *testing.T) {
	for _, want := range []Echo{{ID: 0x1234, Seq: 7, Data: []byte("data")}, {Reply: true, ID: 1, Seq: 0xffff, Data: []byte{}}} {
		got, ok := ParseEcho(want.AppendTo(nil))
		require.True(t, ok)
		assert.Equal(t, want, got)
	}
	_, ok := ParseEcho([]byte{1, 0, 0, 0, 0, 0, 0, 0})
	assert.False(t, ok, "no echo message")
	_, ok = ParseEcho([]byte{128, 0, 0, 0, 0, 0, 0})
	assert.False(t, ok, "too short")
}

// FuzzParseEcho: what is read is what would be written, but for the code and the
// checksum.
func FuzzParseEcho(f *testing.F) {
	f.Add(Echo{ID: 1, Seq: 2, Data: []byte("data")}.AppendTo(nil))
	f.Add([]byte{129, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, ok := ParseEcho(b)
		if !ok {
			return
		}
		again := e.AppendTo(nil)
		require.Equal(t, b[0], again[0])
		require.Equal(t, b[4:], again[4:])
	})
}
