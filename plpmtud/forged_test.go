package plpmtud

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// D3-6c, D4.6.2-1, D6.1.6-2: a million forged hints never raise the PLPMTU, and push it
// below BASE only as RFC 8899 section 4.6.2 has it: to MIN, in ERROR, from
// where one acknowledged probe of BASE returns. The true path carries 1500.
func TestAMillionForgedHints(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	in := watch(t, Config{Overhead: 28, Min: 500, Base: 1200, Max: 8972, ProbeInterval: 10 * time.Millisecond})
	in.acked = 1200
	in.p.Start(in.now, 1200)
	in.acked = -1
	in.cfg.Layer = Acknowledged
	const truth = 1472
	probes := 0
	for range 1_000_000 {
		in.now = in.now.Add(time.Duration(rng.IntN(2000)) * time.Microsecond)
		before := in.p.PLPMTU()
		in.p.Hint(in.now, Hint{Source: Source(rng.IntN(3)), MTU: rng.IntN(10000)})
		size := in.p.PLPMTU()
		if size > before {
			t.Fatalf("a hint raised the PLPMTU from %d to %d", before, size)
		}
		if size < 1200 && (size != 500 || in.p.State() != Error) {
			t.Fatalf("PLPMTU %d in %v", size, in.p.State())
		}
		if probe, ok := in.p.Poll(in.now); ok {
			probes++
			in.check()
			if probe.Size <= truth {
				in.acked = probe.Size
				in.p.Acked(in.now, probe.ID)
				in.acked = -1
			} else {
				in.p.Lost(in.now, probe.ID)
			}
		}
		if in.p.PLPMTU() > truth {
			t.Fatalf("PLPMTU %d on a path of %d", in.p.PLPMTU(), truth)
		}
	}
	t.Logf("%d probes in %v", probes, in.now.Sub(time.Unix(1e9, 0)))
	require.Less(t, probes, int(in.now.Sub(time.Unix(1e9, 0))/(10*time.Millisecond)), "the probe gap bounds what hints can cost")

	// The forger stops: the path recovers by itself.
	for range 5000 {
		in.now = in.now.Add(time.Second)
		if probe, ok := in.p.Poll(in.now); ok {
			if probe.Size <= truth {
				in.acked = probe.Size
				in.p.Acked(in.now, probe.ID)
				in.acked = -1
			} else {
				in.p.Lost(in.now, probe.ID)
			}
		}
	}
	require.GreaterOrEqual(t, in.p.PLPMTU(), truth*998/1000)
}
