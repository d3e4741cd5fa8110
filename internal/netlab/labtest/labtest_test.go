package labtest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSumDrops(t *testing.T) {
	n, err := sumDrops("0006d2a1 0000000f 00000000\n0006d2a1 00000010 00000000\n\n")
	require.NoError(t, err)
	assert.EqualValues(t, 31, n)
	_, err = sumDrops("1 x\n")
	assert.Error(t, err)
	assert.GreaterOrEqual(t, SoftnetDrops(t), uint64(0))
}

// A test that lacks something is skipped, and fails where that is forbidden.
func TestNeed(t *testing.T) {
	for _, c := range []struct {
		ci            string
		holds         bool
		skips, failed bool
	}{
		{"", true, false, false},
		{"true", true, false, false},
		{"", false, true, false},
		{"true", false, false, true},
	} {
		t.Setenv("CI", c.ci)
		var r recorder
		Need(&r, c.holds, "wings")
		assert.Equal(t, c.skips, r.skipped)
		assert.Equal(t, c.failed, r.failed)
	}
}

// recorder notes what Need does without stopping the test.
type recorder struct {
	testing.TB
	skipped, failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Skipf(string, ...any)  { r.skipped = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true }
