package surveyor

import "runtime/debug"

// collector keeps the room for garbage the same, however many targets are in
// progress: without that, a small heap is collected all the time, and a large
// one takes twice the memory of its targets.
type collector struct{ percent int }

const (
	heapBase   = 4 << 20  // bytes, without targets
	heapTarget = 104      // bytes a target, with its share of the tables
	heapRoom   = 12 << 20 // bytes of garbage
)

// tune is called now and then.
func (c *collector) tune(active int) {
	want := min(max(heapRoom*100/(heapBase+heapTarget*active), 10), 300)
	if c.percent == 0 || want < c.percent*3/4 || want > c.percent*4/3 {
		c.percent = want
		debug.SetGCPercent(want)
	}
}
