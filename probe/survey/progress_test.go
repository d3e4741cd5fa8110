package survey

import (
	"encoding/binary"
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzProgress: from whatever Progress a survey goes on, each target that isn't
// finished is begun once, and in the end all are finished.
func FuzzProgress(f *testing.F) {
	f.Add(uint16(200), uint64(64), []byte{0xff, 0, 3, 0, 0, 0, 0, 0x80})
	f.Add(uint16(7), uint64(7), []byte{})
	f.Add(uint16(100), uint64(1<<63), []byte{1})
	f.Fuzz(func(t *testing.T, n uint16, base uint64, words []byte) {
		p := &Progress{Base: base}
		for len(words) >= 8 {
			p.Finished = append(p.Finished, binary.LittleEndian.Uint64(words))
			words = words[8:]
		}
		l, err := newLedger(uint64(n), p)
		if err != nil {
			return
		}
		done := base
		for _, w := range p.Finished {
			done += uint64(bits.OnesCount64(w))
		}
		begun := map[uint64]bool{}
		for {
			i, ok := l.begin()
			if !ok {
				break
			}
			require.Less(t, i, uint64(n))
			require.False(t, begun[i] || i < base, "%d is begun again", i)
			begun[i] = true
		}
		require.EqualValues(t, n, done+uint64(len(begun)))
		for i := range begun {
			l.finish(i)
		}
		require.Equal(t, Progress{Base: uint64(n)}, l.progress())
		require.False(t, l.more())
	})
}
