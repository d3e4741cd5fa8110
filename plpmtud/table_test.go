package plpmtud

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTableClimbs(t *testing.T) {
	table := Table{1500, 1280, 1400, 9000} // the order does not matter
	assert.Equal(t, PerSize, table.Counting())
	for _, c := range []struct {
		mtu, max, final int
		sizes           []int
	}{
		{1500, 1500, 1500, []int{1280, 1400, 1500}},
		{1420, 1500, 1400, []int{1280, 1400, 1500, 1500, 1500}},
		{1480, 1480, 1400, []int{1280, 1400}},
		{1240, 9000, 1228, []int{1280, 1280, 1280}},
		{9000, 9000, 9000, []int{1280, 1400, 1500, 9000}},
	} {
		w := walkConfig{pathMTU: c.mtu, base: 1228, max: c.max, lossCost: 1, trace: true}.run(table)
		assert.Equal(t, c.final, w.final, "path MTU %d", c.mtu)
		assert.Equal(t, c.sizes, w.sizes, "path MTU %d", c.mtu)
	}
	assert.Zero(t, Table(nil).Next(Evidence{Floor: 1200, Ceiling: 1472}))
}

// The plateau sizes of the package are found exactly.
func TestPlateauTable(t *testing.T) {
	for _, size := range PlateauTable {
		w := walkConfig{pathMTU: size, base: 1228, max: maxSize, lossCost: 1}.run(PlateauTable)
		assert.Equal(t, size, w.final)
	}
}
