//go:build linux

package netnstests

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/demo"
	"pathmtu/internal/netlab/labtest"
)

// lab runs "pmtu lab ARGS" where the test runs.
func lab(t *testing.T, as *syscall.SysProcAttr, stdin string, args ...string) outcome {
	t.Helper()
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := netlab.Command(ctx, program, append([]string{"lab"}, args...)...)
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	cmd.SysProcAttr, cmd.Dir = as, "/"
	cmd.Env = append(os.Environ(), "SHELL=/bin/sh")
	err := cmd.Run()
	require.NoError(t, ctx.Err(), "pmtu lab %s hangs", strings.Join(args, " "))
	return finish(t, []byte(stdout.String()), []byte(stderr.String()), err)
}

// checkDemo checks the rows of "lab demo --json" and returns how many there are.
func checkDemo(t *testing.T, stdout string) (rows int) {
	t.Helper()
	in := bufio.NewScanner(strings.NewReader(stdout))
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var r demo.Row
		require.NoError(t, json.Unmarshal(in.Bytes(), &r), in.Text())
		assert.True(t, r.OK, in.Text())
		require.NotNil(t, r.Record)
		require.NotNil(t, r.Record.PMTU)
		assert.Equal(t, r.Truth, *r.Record.PMTU)
		rows++
	}
	require.NoError(t, in.Err())
	return rows
}

func TestLabDemo(t *testing.T) {
	t.Parallel()
	o := lab(t, nil, "", "demo", "--json")
	assert.Equal(t, exitMeasured, o.code, o.stderr)
	assert.Equal(t, 4*len(demo.Paths()), checkDemo(t, o.stdout))
	assert.Contains(t, o.stderr, "92 measurements, all exact")
}

// The same as a user without any privilege, in a user namespace.
func TestLabDemoRootless(t *testing.T) {
	t.Parallel()
	labtest.Need(t, os.Geteuid() == 0, "root, to become another user")
	o := lab(t, nobody, "", "demo", "--json", "--method", "icmp")
	assert.Equal(t, exitMeasured, o.code, o.stderr)
	assert.Equal(t, 2*len(demo.Paths()), checkDemo(t, o.stdout))
}

func TestLabDemoTable(t *testing.T) {
	t.Parallel()
	o := lab(t, nil, "", "demo", "-6", "--method", "icmp")
	assert.Equal(t, exitMeasured, o.code, o.stderr)
	lines := strings.Split(strings.TrimSuffix(o.stdout, "\n"), "\n")
	require.Len(t, lines, 1+len(demo.Paths()))
	assert.Regexp(t, `^path +family +PTB +method +truth +measured +verdict`, lines[0])
	assert.Regexp(t, `^9000-9000-9000 +IPv6 +- +icmp +9000 +9000 +ok `, lines[1])
	for _, l := range lines[1:] {
		assert.Regexp(t, ` ok$`, l)
	}
}

func TestLabDemoInterrupted(t *testing.T) {
	t.Parallel()
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "lab", "demo")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	in := bufio.NewReader(out)
	for range 3 { // the heading and two rows
		_, err := in.ReadString('\n')
		require.NoError(t, err)
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	var rest strings.Builder
	_, err = in.WriteTo(&rest)
	require.NoError(t, err)
	err = cmd.Wait()
	require.NoError(t, ctx.Err(), "still runs after an interrupt")
	o := finish(t, []byte(rest.String()), []byte(stderr.String()), err)
	assert.Equal(t, exitNotMeasured, o.code)
	assert.Contains(t, o.stderr, "of 92 measurements taken")
	assert.NotContains(t, o.stdout, "WRONG", "what was cut short is no result")
}

func TestLabUpAndDown(t *testing.T) {
	t.Parallel()
	o := lab(t, nil, "", "up", "path", "--edge", "9000", "--bottleneck", "1399", "--ptb", "filtered")
	require.Equal(t, exitMeasured, o.code, o.stderr)
	id := strings.TrimSpace(o.stdout)
	t.Cleanup(func() { _ = netlab.Remove(id) }) // when the test below didn't
	assert.Contains(t, o.stderr, "cli --9000-- r1 --1399-- r2 --9000-- srv")
	assert.Contains(t, o.stderr, "pmtu lab down "+id)
	assert.Contains(t, lab(t, nil, "", "list").stdout, id+"  (standing)")

	// Enter it the way the text says.
	var measure []string
	for line := range strings.Lines(o.stderr) {
		if rest, ok := strings.CutPrefix(line, "measure: "); ok && strings.Contains(line, "2001:db8:3::2") {
			command, _, _ := strings.Cut(rest, "(")
			measure = strings.Fields(command)
		}
	}
	require.NotEmpty(t, measure, o.stderr)
	_, err := exec.LookPath("ip")
	labtest.Need(t, err == nil, "ip (Debian package iproute2)")
	out, err := exec.CommandContext(t.Context(), measure[0], measure[1:]...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.Contains(t, string(out), "path MTU 1399 bytes, ok-silent")

	o = lab(t, nil, "", "down", id)
	assert.Equal(t, exitMeasured, o.code, o.stderr)
	o = lab(t, nil, "", "down", id)
	assert.Equal(t, exitUsage, o.code)
	assert.Contains(t, o.stderr, `no such lab: "`+id+`"`)
	assert.NotContains(t, lab(t, nil, "", "list").stdout, id)
}

func TestLabShell(t *testing.T) {
	t.Parallel()
	labtest.Need(t, os.Geteuid() == 0, "root, to become another user")
	o := lab(t, nobody, program+" probe --method icmp 2001:db8:3::2; exit 7\n", "up", "--shell", "blackhole")
	assert.Equal(t, exitMeasured, o.code, "the shell's last code is not the lab's")
	assert.Contains(t, o.stdout, "path MTU 1420 bytes, ok-silent")
}

func TestLabErrors(t *testing.T) {
	t.Parallel()
	labtest.Need(t, os.Geteuid() == 0, "root, to become another user")
	for _, c := range []struct {
		args []string
		as   *syscall.SysProcAttr
		code int
		says string
	}{
		{[]string{"up"}, nil, exitUsage, "accepts 1 arg"},
		{[]string{"up", "atlantis"}, nil, exitUsage, `unknown topology "atlantis"`},
		{[]string{"up", "path", "--edge", "1279"}, nil, exitUsage, "--edge 1279"},
		{[]string{"up", "path", "--bottleneck", "65536"}, nil, exitUsage, "--bottleneck 65536"},
		{[]string{"up", "path", "--ptb", "sometimes"}, nil, exitUsage, `--ptb "sometimes"`},
		{[]string{"up", "satellite"}, nil, exitUsage, "use --shell"},
		{[]string{"up", "plain"}, nobody, exitPrivilege, "CAP_SYS_ADMIN"},
		{[]string{"down"}, nil, exitUsage, "at least 1 arg"},
		{[]string{"down", "atlantis"}, nil, exitUsage, `no such lab: "atlantis"`},
		{[]string{"demo", "--jobs", "0"}, nil, exitUsage, "--jobs 0"},
		{[]string{"demo", "--method", "pigeon"}, nil, exitUsage, `"pigeon"`},
		{[]string{"demo", "now"}, nil, exitUsage, `"now"`},
		{[]string{"dmeo"}, nil, exitUsage, `"dmeo"`},
	} {
		o := lab(t, c.as, "", c.args...)
		assert.Equal(t, c.code, o.code, "%v: %s", c.args, o.stderr)
		assert.Contains(t, o.stderr, c.says)
		assert.Empty(t, o.stdout)
	}
}
