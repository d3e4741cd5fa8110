package compare

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
)

// RandomLoss returns how often each search ends below its own loss-free result
// when probes are lost at random, and at which size on average.
func RandomLoss(scale Scale) *Table {
	t := &Table{
		Name: "random-loss", Title: "Random loss of probes, whatever their size: share of runs that end below the loss-free result (mean final size)",
		Header: []string{"path_mtu", "search", "loss 0", "1%", "5%", "10%", "20%"},
	}
	rates := []float64{0.01, 0.05, 0.1, 0.2}
	type job struct {
		mtu int
		c   Contender
	}
	var jobs []job
	for _, mtu := range []int{1500, 1420} {
		for _, c := range append(Stacks(), PathContender(Ours, nil)) {
			jobs = append(jobs, job{mtu, c})
		}
	}
	rows := each(len(jobs), func(i int) []any {
		j := jobs[i]
		trial := Trial{Range: pathSettings[0].r, PathMTU: j.mtu, LossCost: LossCosts[0]}
		clean := j.c.Run(trial).Final
		row := []any{j.mtu, j.c.Name, clean}
		for k, rate := range rates {
			below, mean := Shortfall(j.c, trial, clean, rate, scale.Seed+uint64(k), scale.Runs)
			row = append(row, fmt.Sprintf("%.1f%% (%.0f)", 100*below, mean))
		}
		return row
	})
	for _, r := range rows {
		t.add(r...)
	}
	return t
}

// Shortfall returns which share of runs ends below the size that the search
// finds without random loss, and the mean size at the end.
func Shortfall(c Contender, t Trial, clean int, rate float64, seed uint64, runs int) (below, mean float64) {
	rng := rand.New(rand.NewPCG(seed, uint64(t.PathMTU)))
	t.Lose = func() bool { return rng.Float64() < rate }
	for range runs {
		final := c.Run(t).Final
		mean += float64(final) / float64(runs)
		if final < clean {
			below += 1 / float64(runs)
		}
	}
	return below, mean
}

// FalseVerdicts returns the matrix of false verdicts.
func FalseVerdicts(scale Scale) *Table {
	t := &Table{
		Name: "false-verdicts", Title: "False black-hole verdicts per 100 000 packets; the path MTU never changes",
		Note:   fmt.Sprintf("RTT 50 ms, %d packets for each cell; 90 %% of the packets full size (exact) or within 16 bytes (near), 10 %% small.", scale.Packets),
		Header: append([]string{"traffic", "path"}, DetectorNames()...),
	}
	cells := Cells()
	counts := each(len(cells), func(i int) []int { return cells[i].Verdicts(scale.Seed, scale.Packets) })
	for i, c := range cells {
		row := []any{c.Table, c.Column}
		for _, n := range counts[i] {
			row = append(row, fmt.Sprintf("%.1f", float64(n)*1e5/float64(scale.Packets)))
		}
		t.add(row...)
	}
	return t
}

// Delays returns how long the detectors take to notice a true black hole.
func Delays(scale Scale) *Table {
	t := &Table{
		Name: "detection-delay", Title: "The path MTU drops from 1480 to 1400: packets (RTTs) until the verdict, median and worst of all seeds",
		Note:   fmt.Sprintf("Traffic near the MTU with 10 %% small packets, %d seeds. never: not within 40 RTT.", scale.Seeds),
		Header: []string{"detector"},
	}
	drops := Drops()
	delays := each(len(drops)*scale.Seeds, func(i int) []int {
		return drops[i/scale.Seeds].Delay(scale.Seed + uint64(i%scale.Seeds))
	})
	for _, d := range drops {
		t.Header = append(t.Header, d.Column+" median", "worst")
	}
	for k, name := range DetectorNames() {
		row := []any{name}
		for i, d := range drops {
			var all []int
			for _, v := range delays[i*scale.Seeds : (i+1)*scale.Seeds] {
				all = append(all, v[k])
			}
			slices.SortFunc(all, func(a, b int) int { return cmp.Compare(uint(a), uint(b)) }) // -1, never, is last
			row = append(row, d.cell(all[len(all)/2]), d.cell(all[len(all)-1]))
		}
		t.add(row...)
	}
	return t
}

func (d Drop) cell(packets int) string {
	if packets < 0 {
		return "never"
	}
	return fmt.Sprintf("%d (%.1f)", packets, float64(packets)/float64(d.PerRTT))
}
