package netlab

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestDelayedLinkOfALab(t *testing.T) {
	const oneWay = 30 * time.Millisecond
	topology := Path(1500, 1400, PTB{})
	topology.Links[1].Delay = &Delay{OneWay: oneWay}
	lab := build(t, topology)
	for _, family := range []int{4, 6} {
		srv, _ := lab.Addr("srv", family)
		start := time.Now()
		assert.True(t, send(t, lab, "cli", srv, 1400, soon).Replied)
		assert.GreaterOrEqual(t, time.Since(start), 2*oneWay)
		a := send(t, lab, "cli", srv, 1401, soon)
		assert.True(t, a.PTB, "%+v", a)
		assert.Equal(t, 1400, a.PTBMTU)
	}
	// A device larger than the far end's takes what the element then drops.
	assert.NoError(t, lab.SetMTU("r1", "r2", 1500))
	srv, _ := lab.Addr("srv", 6)
	assert.Equal(t, answer{}, send(t, lab, "cli", srv, 1500, 3*oneWay+never))
	ab, ba := lab.LinkDrops(1)
	assert.Equal(t, Drops{TooBig: 1}, ab)
	assert.Zero(t, ba)
	assert.NoError(t, lab.Close())
	assert.NoError(t, lab.Close(), "twice")
}

func TestDelayedLinkWithLoss(t *testing.T) {
	topology := Path(1500, 1500, PTB{})
	topology.Links[0].Delay = &Delay{Loss: 1}
	lab := build(t, topology)
	srv, _ := lab.Addr("srv", 4)
	assert.Equal(t, answer{}, send(t, lab, "cli", srv, 100, never))
	ab, _ := lab.LinkDrops(0)
	assert.GreaterOrEqual(t, ab.Lost, uint64(1)) // and what the kernels say to each other
	ab, ba := lab.LinkDrops(1)
	assert.Zero(t, ab)
	assert.Zero(t, ba)
}
