package plpmtud

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The state of a path, beside the search's table that paths share.
func TestStateIsSmall(t *testing.T) {
	require.LessOrEqual(t, int(unsafe.Sizeof(Path{})), 256)
	t.Logf("bytes of state: Path %d, of which detector %d, grey hole %d, settings %d", unsafe.Sizeof(Path{}), unsafe.Sizeof(blackHole{}), unsafe.Sizeof(greyHole{}), unsafe.Sizeof(settings{}))
}
