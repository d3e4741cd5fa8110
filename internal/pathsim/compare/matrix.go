package compare

import (
	"fmt"
	"time"

	"pathmtu/internal/pathsim"
	"pathmtu/internal/pathsim/detectors"
	"pathmtu/plpmtud"
)

// The connection that detectors are tried with. Sizes are UDP payloads over IPv4.
const (
	matrixRTT      = 50 * time.Millisecond
	matrixOverhead = 28
	matrixPLPMTU   = 1480 - matrixOverhead
	matrixBase     = 1200
)

// Ours names the row of package plpmtud in every table.
const Ours = "pathmtu"

// DetectorNames returns the rows of the detector tables: the baselines, then ours.
func DetectorNames() []string {
	var names []string
	for _, k := range detectors.All() {
		names = append(names, k.Name)
	}
	return append(names, Ours)
}

// Cell is one kind of traffic on one kind of lossy path whose MTU is constant,
// so that every verdict of a detector is false.
type Cell struct {
	Table    string
	Column   string
	Traffic  pathsim.Traffic
	PerRTT   int // packets for each round trip
	AckEvery int
	Link     func() pathsim.Link // what is wrong with the forward direction
}

// Cells returns the whole matrix.
func Cells() []Cell {
	iid := func(p float64) func() pathsim.Link {
		return func() pathsim.Link { return pathsim.Link{Loss: pathsim.IID(p)} }
	}
	burst := func(mean, rate float64) func() pathsim.Link {
		return func() pathsim.Link { return pathsim.Link{Loss: &pathsim.Burst{Rate: rate, Mean: mean}} }
	}
	reorder := func(share float64, late time.Duration, p float64) func() pathsim.Link {
		return func() pathsim.Link { return pathsim.Link{Loss: pathsim.IID(p), Reorder: share, Late: late} }
	}
	duplicate := func(share, p float64) func() pathsim.Link {
		return func() pathsim.Link { return pathsim.Link{Loss: pathsim.IID(p), Duplicate: share} }
	}
	type column struct {
		name string
		link func() pathsim.Link
	}
	losses := []column{
		{"iid 0.1%", iid(0.001)}, {"iid 1%", iid(0.01)}, {"iid 5%", iid(0.05)}, {"iid 13%", iid(0.13)},
		{"burst(5) 1%", burst(5, 0.01)}, {"burst(5) 5%", burst(5, 0.05)}, {"burst(20) 2%", burst(20, 0.02)},
	}
	orders := []column{
		{"reorder 1% by 5ms", reorder(0.01, 5*time.Millisecond, 0)},
		{"reorder 10% by 5ms", reorder(0.1, 5*time.Millisecond, 0)},
		{"reorder 10% by 20ms, 1%", reorder(0.1, 20*time.Millisecond, 0.01)},
		{"reorder 30% by 60ms, 5%", reorder(0.3, 60*time.Millisecond, 0.05)},
		{"duplicate 10%, 5%", duplicate(0.1, 0.05)},
	}
	var cells []Cell
	for _, tr := range []struct {
		name string
		t    pathsim.Traffic
	}{{"exact", pathsim.ExactTraffic}, {"near", pathsim.NearTraffic}} {
		for _, r := range []struct{ perRTT, every int }{{40, 2}, {400, 4}} {
			table := fmt.Sprintf("%s, %d packets/RTT, ACK every %d", tr.name, r.perRTT, r.every)
			for _, c := range append(losses[:len(losses):len(losses)], orders...) {
				cells = append(cells, Cell{Table: table, Column: c.name, Traffic: tr.t, PerRTT: r.perRTT, AckEvery: r.every, Link: c.link})
			}
		}
	}
	for _, a := range []struct {
		every int
		loss  float64
	}{{4, 0.01}, {4, 0.05}, {32, 0.01}, {32, 0.05}, {128, 0.01}, {128, 0.05}, {128, 0.13}} {
		cells = append(cells, Cell{
			Table: "exact, 1000 packets/RTT, ACK aggregation", Column: fmt.Sprintf("k=%d, %g%%", a.every, a.loss*100),
			Traffic: pathsim.ExactTraffic, PerRTT: 1000, AckEvery: a.every, Link: iid(a.loss),
		})
	}
	return cells
}

func (c Cell) flow(packets int, mtus pathsim.MTUs) pathsim.FlowConfig {
	forward := c.Link()
	forward.Delay, forward.MTU = matrixRTT/2, mtus
	return pathsim.FlowConfig{
		Forward:  []pathsim.Hop{pathsim.One(forward)},
		Back:     []pathsim.Hop{pathsim.One(pathsim.Link{Delay: matrixRTT / 2})},
		Overhead: matrixOverhead, Traffic: c.Traffic, Packets: packets,
		Interval: matrixRTT / time.Duration(c.PerRTT), AckEvery: c.AckEvery,
		PacketThresholdOnly: true,
	}
}

// Verdicts runs a cell for so many packets, and returns how many verdicts each
// detector gave, in the order of DetectorNames.
func (c Cell) Verdicts(seed uint64, packets int) []int {
	counts := make([]int, len(detectors.All()), len(detectors.All())+1)
	c.run(seed, c.flow(packets, pathsim.MTU(1480)), c.baselines(func(i int) { counts[i]++ }))
	return append(counts, c.OurVerdicts(seed, packets))
}

// OurVerdicts is Verdicts of package plpmtud alone.
func (c Cell) OurVerdicts(seed uint64, packets int) int {
	n := 0
	c.run(seed, c.flow(packets, pathsim.MTU(1480)), newMatrixPath(func() { n++ }))
	return n
}

func (c Cell) baselines(verdict func(int)) *watched {
	w := &watched{size: matrixPLPMTU, verdict: verdict}
	for _, k := range detectors.All() {
		w.detectors = append(w.detectors, k.New(detectors.Setting{Base: matrixBase, PLPMTU: matrixPLPMTU, RTT: matrixRTT}))
	}
	return w
}

func (c Cell) run(seed uint64, cfg pathsim.FlowConfig, end pathsim.Endpoint) {
	sim := pathsim.New(seed)
	f := pathsim.NewFlow(sim, cfg, end)
	f.Start()
	sim.Run(cfg.Interval*time.Duration(cfg.Packets) + 4*matrixRTT)
}

// newMatrixPath returns a path that has found its MTU, and calls fell whenever
// it takes the path for a black hole.
func newMatrixPath(fell func()) *PathEndpoint {
	p, err := plpmtud.New(plpmtud.Config{
		Overhead: matrixOverhead, Max: matrixPLPMTU, RaiseInterval: -1,
		Trace: func(e plpmtud.Event) {
			if e.Kind == plpmtud.SizeChange && e.New < e.Old {
				fell()
			}
		},
	})
	if err != nil {
		panic(err) // the configuration is constant
	}
	p.Start(pathsim.Epoch, matrixPLPMTU)
	return &PathEndpoint{Path: p}
}

// Drop is a path whose MTU shrinks from 1480 to 1400 bytes.
type Drop struct {
	Column   string
	PerRTT   int
	AckEvery int
	Loss     float64
}

// Drops returns the columns of the table of detection delays.
func Drops() []Drop {
	return []Drop{
		{"R=40, loss 0", 40, 2, 0}, {"R=40, loss 1%", 40, 2, 0.01}, {"R=40, loss 5%", 40, 2, 0.05},
		{"R=400, k=4, loss 1%", 400, 4, 0.01},
	}
}

// dropAt is when the MTU shrinks: long enough for a detector to know the loss rate.
const dropAt = 100 * matrixRTT

// Delay returns how many packets each detector needs from the change to its
// first verdict, in the order of DetectorNames; -1: more than 40 round trips.
// A verdict that comes sooner than the news can travel was false.
func (d Drop) Delay(seed uint64) []int {
	cell := Cell{
		Traffic: pathsim.NearTraffic, PerRTT: d.PerRTT, AckEvery: d.AckEvery,
		Link: func() pathsim.Link { return pathsim.Link{Loss: pathsim.IID(d.Loss)} },
	}
	const after = 40
	cfg := cell.flow((int(dropAt/matrixRTT)+after)*d.PerRTT, pathsim.MTUs{{MTU: 1480}, {After: dropAt, MTU: 1400}})
	delays := make([]int, len(detectors.All())+1)
	for i := range delays {
		delays[i] = -1
	}
	var sim *pathsim.Sim
	verdict := func(i int) {
		if since := sim.Since() - dropAt; since >= 0 && delays[i] == -1 {
			delays[i] = int(since / cfg.Interval)
		}
	}
	for _, end := range []pathsim.Endpoint{
		cell.baselines(verdict),
		newMatrixPath(func() { verdict(len(delays) - 1) }),
	} {
		sim = pathsim.New(seed)
		f := pathsim.NewFlow(sim, cfg, end)
		f.Start()
		sim.Run(dropAt + after*matrixRTT)
	}
	return delays
}
