package netlab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab/labtest"
)

// asProgram, in the environment, makes the test binary behave as a program that
// builds a lab the way "pmtu lab demo" does.
const asProgram = "NETLAB_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(labProgram())
	}
	os.Exit(m.Run())
}

func labProgram() int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if !Capable() {
		code, err := Reexec(ctx)
		return reportProgram(code, err)
	}
	lab, err := Build(ctx, Path(9000, 1420, PTB{Mode: PTBLying, MTU: 1300}))
	if err != nil {
		return reportProgram(0, err)
	}
	defer lab.Close()
	for _, family := range []int{4, 6} {
		srv, _ := lab.Addr("srv", family)
		for _, size := range []int{1420, 1421} {
			var a answer
			err := lab.Node("cli").Do(func() (err error) {
				a, err = echo(srv, size, soon)
				return err
			})
			if err != nil {
				return reportProgram(0, err)
			}
			fmt.Printf("ipv%d %d replied=%v ptb=%v %d\n", family, size, a.Replied, a.PTB, a.PTBMTU)
		}
	}
	return 0
}

func reportProgram(code int, err error) int {
	var privilege *PrivilegeError
	switch {
	case errors.As(err, &privilege):
		fmt.Fprintln(os.Stderr, err)
		return 3
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// runAsNobody runs the test binary as a program under uid 65534.
func runAsNobody(t *testing.T, env ...string) (stdout, stderr string, code int) {
	t.Helper()
	labtest.Need(t, os.Geteuid() == 0, "root, to become another user")
	self, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "netlab")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	program := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(program, self, 0o755))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program)
	cmd.Dir = "/"
	cmd.Env = append([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH")}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	var out, errOut limitedBuffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

func TestRootless(t *testing.T) {
	stdout, stderr, code := runAsNobody(t)
	assert.Zero(t, code, stderr)
	assert.Empty(t, stderr)
	assert.Equal(t, ""+
		"ipv4 1420 replied=true ptb=false 0\n"+
		"ipv4 1421 replied=false ptb=true 1300\n"+
		"ipv6 1420 replied=true ptb=false 0\n"+
		"ipv6 1421 replied=false ptb=true 1300\n", stdout)
}

// A user namespace that grants nothing, as some distributions make them, must
// end in an explanation and not in a loop.
func TestReexecIsTriedOnce(t *testing.T) {
	_, stderr, code := runAsNobody(t, reexecMark+"=1")
	assert.Equal(t, 3, code)
	assert.Contains(t, stderr, "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	assert.Contains(t, stderr, "run as root")
}
