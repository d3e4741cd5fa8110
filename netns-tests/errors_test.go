//go:build linux

package netnstests

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/results"
)

// Exit codes of the program.
const (
	exitMeasured    = 0
	exitNotMeasured = 1
	exitUsage       = 2
	exitPrivilege   = 3
)

// hangs is when a run of the program is taken for one that hangs. The longest
// of these is a dead host: its timeouts and the kernel's neighbour discovery
// are a few seconds each.
const hangs = 45 * time.Second

// nobody is a user without any capability.
var nobody = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}

// run runs the program on a node, as root (as nil) or somebody else.
func run(t *testing.T, node *netlab.LiveNode, as *syscall.SysProcAttr, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	cmd := netlab.Command(ctx, program, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr, cmd.Dir = &stdout, &stderr, as, "/"
	require.NoError(t, node.Start(cmd))
	err := cmd.Wait()
	require.NoError(t, ctx.Err(), "pmtu %s hangs", strings.Join(args, " "))
	return finish(t, []byte(stdout.String()), []byte(stderr.String()), err)
}

// errorCases run on cli of
//
//	cli --1500-- r1 --1420-- r2 --1500-- srv
//
// where 2001:db8:3::2 is srv and has a neighbour address that nobody has.
var errorCases = []struct {
	name string
	args []string
	code int
	says []string // on standard output and error together
}{
	{"unknown host", []string{"probe", "no-such-host.invalid"}, exitNotMeasured,
		[]string{`host "no-such-host.invalid"`, "1 of 1 not measured"}},
	{"empty host", []string{"probe", ""}, exitUsage, []string{`host ""`}},
	{"no host", []string{"probe"}, exitUsage, []string{"at least 1 arg"}},
	{"no verb of that name", []string{"prove", "2001:db8:3::2"}, exitUsage, []string{`"prove"`}},
	{"no flag of that name", []string{"probe", "--siez", "2001:db8:3::2"}, exitUsage, []string{"--siez"}},
	{"size too small", []string{"probe", "--max", "10", "2001:db8:3::2"}, exitUsage, []string{"--max 10", "68 to 65535"}},
	{"size too large", []string{"probe", "--max", "70000", "2001:db8:3::2"}, exitUsage, []string{"--max 70000", "68 to 65535"}},
	{"size no number", []string{"probe", "--max", "big", "2001:db8:3::2"}, exitUsage, []string{`--max "big": want a whole number`}},
	{"sizes crossed", []string{"probe", "--min", "1500", "--max", "1400", "2001:db8:3::2"}, exitUsage, []string{"--min 1500", "--max 1400"}},
	{"method", []string{"probe", "--method", "pigeon", "2001:db8:3::2"}, exitUsage, []string{"pigeon", "icmp"}},
	{"port", []string{"probe", "--port", "65536", "2001:db8:3::2"}, exitUsage, []string{"--port 65536"}},
	{"source not ours", []string{"probe", "--source", "192.0.2.77", "198.51.100.10"}, exitNotMeasured, []string{"192.0.2.77"}},
	{"family", []string{"probe", "-4", "2001:db8:3::2"}, exitNotMeasured, []string{"2001:db8:3::2", "family"}},
	{"many hosts in one address", []string{"probe", "224.0.0.1"}, exitUsage, []string{"224.0.0.1"}},
	{"no route, IPv4", []string{"probe", "203.0.113.9"}, exitNotMeasured, []string{"no route to 203.0.113.9"}},
	{"no route, IPv6", []string{"probe", "2001:db9::1"}, exitNotMeasured, []string{"no route to 2001:db9::1"}},
	{"no such neighbour of the last router", []string{"probe", "--method", "icmp", "2001:db8:3::dead"}, exitNotMeasured,
		[]string{"2001:db8:3::dead", "unresponsive"}},
	{"one of two", []string{"probe", "--method", "icmp", "2001:db9::1", "2001:db8:3::2"}, exitNotMeasured,
		[]string{"no route to 2001:db9::1", "2001:db8:3::2: path MTU 1420", "1 of 2 not measured"}},
}

func TestErrorsEndToEnd(t *testing.T) {
	lab := build(t, netlab.Path(1500, 1420, delivered))
	t.Run("all", func(t *testing.T) {
		for _, c := range errorCases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				o := run(t, lab.Node("cli"), nil, c.args...)
				assert.Equal(t, c.code, o.code)
				for _, s := range c.says {
					assert.Contains(t, o.stdout+o.stderr, s)
				}
				assert.NotContains(t, o.stderr, "panic")
				assert.NotContains(t, o.stderr, "goroutine")
			})
		}
	})
}

// A host that is there and never says a word: everything to srv is lost.
func TestDeadHost(t *testing.T) {
	topology := netlab.Path(1500, 1420, delivered)
	topology.Links[2].B.Loss = []netlab.Loss{{Percent: 100}}
	lab := build(t, topology)
	t.Run("all", func(t *testing.T) {
		for _, method := range []string{"icmp", "udp", "auto"} {
			for family, srv := range map[string]string{"-4": "198.51.100.10", "-6": "2001:db8:3::2"} {
				t.Run(method+family, func(t *testing.T) {
					t.Parallel()
					o := run(t, lab.Node("cli"), nil, "probe", "--json", "--method", method, family, srv)
					assert.Equal(t, exitNotMeasured, o.code)
					rec, err := results.NewReader(strings.NewReader(o.stdout)).Read()
					require.NoError(t, err, o.stdout)
					assert.Nil(t, rec.PMTU)
					assert.Equal(t, results.Unresponsive, rec.Verdict)
					assert.NotEmpty(t, rec.Error)
				})
			}
		}
	})
	counters, err := lab.Node("srv").Counters()
	require.NoError(t, err)
	assert.Positive(t, counters["loss to-r2"], "the packets reached the host's link")
}

func TestMissingPrivilege(t *testing.T) {
	labtest.Need(t, os.Geteuid() == 0, "root, to become another user")
	topology := netlab.Path(1500, 1420, filtered)
	topology.Nodes[0].Sysctls = map[string]string{"net.ipv4.ping_group_range": "1 0"} // nobody may
	// One network for each measurement: those of one network would share the
	// rate at which its srv sends ICMP errors to cli.
	closed := func() *netlab.Lab { return build(t, topology) }
	open := func() *netlab.Lab { return build(t, netlab.Path(1500, 1420, filtered)) }
	const v4, v6 = "198.51.100.10", "2001:db8:3::2"
	t.Run("all", func(t *testing.T) {
		t.Run("icmp names the capability and the alternative", func(t *testing.T) {
			t.Parallel()
			o := run(t, closed().Node("cli"), nobody, "probe", "--method", "icmp", v4, v6)
			assert.Equal(t, exitPrivilege, o.code)
			for _, s := range []string{"CAP_NET_RAW", "net.ipv4.ping_group_range", "--method udp"} {
				assert.Contains(t, o.stderr, s)
			}
		})
		for name, c := range map[string]struct {
			lab    func() *netlab.Lab
			method string
		}{
			"udp needs none":                 {closed, "udp"},
			"auto does without":              {closed, "auto"},
			"icmp needs only an open sysctl": {open, "icmp"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				o := run(t, c.lab().Node("cli"), nobody, "probe", "--json", "--method", c.method, v4, v6)
				assert.Equal(t, exitMeasured, o.code, o.stderr)
				in := results.NewReader(strings.NewReader(o.stdout))
				for range 2 {
					rec, err := in.Read()
					require.NoError(t, err, o.stdout)
					require.NotNil(t, rec.PMTU, o.stdout)
					assert.Equal(t, 1420, *rec.PMTU)
					assert.Equal(t, results.OKSilent, rec.Verdict)
				}
			})
		}
	})
}

// An interrupt ends a measurement that would take long, with what is known.
func TestInterrupt(t *testing.T) {
	topology := netlab.Path(1500, 1420, delivered)
	topology.Links[2].B.Loss = []netlab.Loss{{Percent: 100}}
	lab := build(t, topology)
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "probe", "--json", "--timeout", "30s", "--probes", "10", "198.51.100.10")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, lab.Node("cli").Start(cmd))
	require.Eventually(t, func() bool {
		counters, err := lab.Node("srv").Counters()
		return err == nil && counters["loss to-r2"] > 0
	}, hangs, 10*time.Millisecond, "it has begun")
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	err := cmd.Wait()
	require.NoError(t, ctx.Err(), "still runs after an interrupt")
	o := finish(t, []byte(stdout.String()), []byte(stderr.String()), err)
	assert.Equal(t, exitNotMeasured, o.code)
	rec, err := results.NewReader(strings.NewReader(o.stdout)).Read()
	require.NoError(t, err, o.stdout)
	assert.Nil(t, rec.PMTU)
	assert.NotEmpty(t, rec.Error)
}
