package fleet_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"pathmtu/internal/cli"
	"pathmtu/internal/netlab/labtest"
)

// TestMain makes this binary the program pmtu when a test starts it as that.
func TestMain(m *testing.M) {
	if os.Getenv("FLEET_TEST_IS_PMTU") != "" {
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// process is a pmtu that a test started.
type process struct {
	t     testing.TB
	name  string
	args  []string
	start func(*exec.Cmd) error
	cmd   *exec.Cmd
	err   *labtest.Output
	done  chan error
}

// spawn starts pmtu; start is how, nil: here. What it said is shown if the test
// fails.
func spawn(t testing.TB, name string, start func(*exec.Cmd) error, args ...string) *process {
	if start == nil {
		start = func(c *exec.Cmd) error { return c.Start() }
	}
	p := &process{t: t, name: name, args: args, start: start, err: &labtest.Output{}}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.err)
		}
	})
	p.run()
	return p
}

func (p *process) run() {
	p.cmd = exec.Command("/proc/self/exe", p.args...)
	p.cmd.Env = append(os.Environ(), "FLEET_TEST_IS_PMTU=1")
	p.cmd.Stderr = p.err
	require.NoError(p.t, p.start(p.cmd), p.name)
	done, cmd := make(chan error, 1), p.cmd
	go func() { done <- cmd.Wait() }()
	p.done = done
}

// kill ends it without a word, this very process and no other.
func (p *process) kill() {
	if p.done == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	p.done = nil
}
