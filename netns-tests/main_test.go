//go:build linux

package netnstests

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
)

// program is the path of the program under test. Its directory can be entered
// by any user.
var program string

// patience is how many paths stand at the same time. The tests wait for
// timeouts nearly all the time, so this has little to do with processors.
const patience = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", patience); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "netns-tests")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = filepath.Join(dir, "pmtu")
	build := exec.Command("go", "build", "-o", program, "pathmtu/cmd/pmtu")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// build stands a topology up for one test.
func build(t *testing.T, topology netlab.Topology) *netlab.Lab {
	t.Helper()
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	lab, err := netlab.Build(t.Context(), topology)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })
	return lab
}

// outcome is what a run of the program leaves behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// finish turns the end of a child into an outcome. A child that did not exit by
// itself fails the test.
func finish(t *testing.T, stdout, stderr []byte, err error) outcome {
	t.Helper()
	o := outcome{stdout: string(stdout), stderr: strings.TrimSpace(string(stderr))}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		o.code = exit.ExitCode()
	} else {
		require.NoError(t, err, o.stderr)
	}
	return o
}
