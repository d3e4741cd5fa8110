package rawsock

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab/labtest"
)

const dropChild = "PATHMTU_TEST_DROP"

// TestDropPrivileges: no thread of the process keeps a capability, and a raw
// socket opened before still is one. It happens in a child.
func TestDropPrivileges(t *testing.T) {
	if os.Getenv(dropChild) != "" {
		hub, err := OpenHub()
		require.NoError(t, err)
		require.NoError(t, DropPrivileges())
		threads, err := filepath.Glob("/proc/self/task/*/status")
		require.NoError(t, err)
		require.NotEmpty(t, threads)
		for _, name := range threads {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			for _, line := range strings.Split(string(b), "\n") {
				if value, ok := strings.CutPrefix(line, "CapEff:\t"); ok {
					fmt.Println("CapEff", value)
				}
			}
		}
		require.NoError(t, hub.Close())
		_, err = OpenHub()
		require.Error(t, err)
		fmt.Println("dropped")
		return
	}
	labtest.Need(t, os.Geteuid() == 0, "root")
	cmd := exec.Command(os.Args[0], "-test.run=^TestDropPrivileges$")
	cmd.Env = append(os.Environ(), dropChild+"=1")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "CapEff 0000000000000000")
	assert.NotRegexp(t, `CapEff \d*[1-9a-f]`, string(out))
	assert.Contains(t, string(out), "dropped")
}
