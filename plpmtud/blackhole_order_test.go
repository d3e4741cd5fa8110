package plpmtud

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An ACK frame first acknowledges packets and then reveals losses among those
// sent before them. Acknowledgements that came first count all the same (D3-e).
func TestLossesThatTheSameFrameRefutes(t *testing.T) {
	pt := newPathTest(t, testConfig)
	pt.start(1472)
	sent := pt.now
	at := func(i int) time.Time { return sent.Add(time.Duration(i) * time.Millisecond) }
	pt.advance(testRTT)
	pt.p.PacketAcked(pt.now, 1440, at(0))
	pt.p.PacketLost(pt.now, 1450, at(1)) // nothing that large arrives for a while
	for i := 2; i < 60; i++ {
		pt.advance(time.Millisecond)
		pt.p.PacketAcked(pt.now, 1449, at(i))
	}
	require.Equal(t, 1472, pt.p.PLPMTU())
	// A burst, and in the same frame, reported first, a larger packet sent after it.
	pt.advance(20 * time.Millisecond)
	pt.p.PacketAcked(pt.now, 1446, at(80))
	for i := 60; i < 80; i++ {
		pt.p.PacketLost(pt.now, 1445, at(i))
	}
	pt.p.Poll(pt.now)
	require.Equal(t, 1472, pt.p.PLPMTU())
}
