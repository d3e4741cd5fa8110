package netlab

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestNamedLabOutlivesItsProcess(t *testing.T) {
	lab := build(t, Path(1500, 1400, PTB{}))
	require.NoError(t, lab.Name())
	t.Cleanup(func() {
		if err := Remove(lab.ID); err != nil {
			assert.ErrorIs(t, err, ErrNotStanding)
		}
	})
	require.NoError(t, lab.Close())
	standing, err := Standing()
	require.NoError(t, err)
	assert.Contains(t, standing, lab.ID)

	// What a later process finds: the names alone.
	f, err := os.Open(filepath.Join(namedDir, NamespaceName(lab.ID, "cli")))
	require.NoError(t, err)
	cli := &Namespace{f: f}
	defer cli.Close()
	srv, _ := lab.Addr("srv", 6)
	require.NoError(t, cli.Do(func() error {
		a, err := echo(srv, 1400, soon)
		assert.True(t, a.Replied, "%+v", a)
		return err
	}))

	require.NoError(t, Remove(lab.ID))
	assert.ErrorIs(t, Remove(lab.ID), ErrNotStanding)
	standing, err = Standing()
	require.NoError(t, err)
	assert.NotContains(t, standing, lab.ID)
	left, err := filepath.Glob(filepath.Join(namedDir, namedPrefix+lab.ID+"*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestNameUndoesWhatItDidWhenItFails(t *testing.T) {
	lab := build(t, Path(1500, 1400, PTB{}))
	require.NoError(t, os.MkdirAll(namedDir, 0o755))
	inTheWay := filepath.Join(namedDir, NamespaceName(lab.ID, "r2"))
	require.NoError(t, os.WriteFile(inTheWay, nil, 0o600))
	t.Cleanup(func() { _ = os.Remove(inTheWay) })
	err := lab.Name()
	assert.ErrorIs(t, err, os.ErrExist)
	left, err := filepath.Glob(filepath.Join(namedDir, namedPrefix+lab.ID+"*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestDelayedLinkCantBeNamed(t *testing.T) {
	lab := build(t, satellite())
	assert.ErrorContains(t, lab.Name(), "can't outlive its process")
	assert.ErrorIs(t, Remove(lab.ID), ErrNotStanding)
}

func TestSplitName(t *testing.T) {
	id, node, ok := splitName("pmtulab-half-silent-a1b2c3-r1")
	assert.Equal(t, []any{"half-silent-a1b2c3", "r1", true}, []any{id, node, ok})
	for _, foreign := range []string{"", "other", "pmtulab-", "pmtulab--x", "pmtulab-x"} {
		_, _, ok := splitName(foreign)
		assert.False(t, ok, foreign)
	}
}

// Whatever happens inside, the calling goroutine comes back to where it was.
func TestDoComesBack(t *testing.T) {
	lab := build(t, Path(1500, 1400, PTB{}))
	inode := func() (n uint64) {
		var s unix.Stat_t
		require.NoError(t, unix.Stat(ownNetNS, &s))
		return s.Ino
	}
	home := inode()
	failed := errors.New("inside")
	assert.ErrorIs(t, lab.Node("cli").Do(func() error {
		cli := inode()
		assert.NotEqual(t, home, cli)
		err := lab.Node("srv").Do(func() error {
			assert.NotContains(t, []uint64{home, cli}, inode())
			return failed
		})
		assert.Equal(t, cli, inode(), "nested")
		return err
	}), failed)
	assert.Equal(t, home, inode())
	assert.Panics(t, func() { _ = lab.Node("cli").Do(func() error { panic("inside") }) })
	assert.Equal(t, home, inode())
}

func TestChildRunsInsideAndIsBounded(t *testing.T) {
	lab := build(t, Path(1500, 1400, PTB{}))
	out, _, err := lab.Node("cli").Run(t.Context(), "cat", "/proc/self/net/if_inet6")
	require.NoError(t, err)
	assert.Contains(t, string(out), "20010db8000100000000000000000001")
	_, _, err = lab.Node("cli").Run(t.Context(), "/no/such/program")
	assert.ErrorIs(t, err, os.ErrNotExist)
	var b limitedBuffer
	for range 3 {
		n, err := b.Write(make([]byte, mostOutput/2+1))
		assert.NoError(t, err)
		assert.Equal(t, mostOutput/2+1, n)
	}
	assert.Equal(t, mostOutput, b.Len())
}
