package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/rawsock"
	"pathmtu/results"
)

// call runs the program in this process.
func call(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = Main(args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

func TestWrongUse(t *testing.T) {
	tests := []struct {
		args []string
		says string
	}{
		{[]string{"prove"}, `unknown command "prove"`},
		{[]string{"probe"}, "requires at least 1 arg"},
		{[]string{"version", "x"}, `"x"`},
		{[]string{"probe", "--nope", "x"}, "unknown flag: --nope"},
		{[]string{"probe", "--max", "big", "x"}, `--max "big": want a whole number`},
		{[]string{"probe", "--max", "1e3", "x"}, `--max "1e3": want a whole number`},
		{[]string{"probe", "--max", "99999999999999999999", "x"}, `--max "99999999999999999999": want a smaller number`},
		{[]string{"probe", "--timeout", "5", "x"}, `--timeout "5": want a duration, as in 500ms or 2s`},
		{[]string{"probe", "--json=perhaps", "x"}, `--json "perhaps": want true or false`},
		{[]string{"probe", "192.0.2.1", ""}, `host "": is empty`},
		{[]string{"probe", "224.0.0.1"}, `host "224.0.0.1": is not the address of one host`},
		{[]string{"probe", "ff02::1%lo"}, `host "ff02::1%lo": is not the address of one host`},
		{[]string{"probe", "::"}, `host "::": is not the address of one host`},
		{[]string{"trace", "ff02::1"}, `host "ff02::1": is not the address of one host`},
		{[]string{"probe", "--max", "70000", "x"}, "--max 70000: want 68 to 65535 bytes"},
		{[]string{"probe", "--max", "67", "x"}, "--max 67: want 68 to 65535 bytes"},
		{[]string{"probe", "--min", "-1", "x"}, "--min -1: want 0 to 65535 bytes"},
		{[]string{"probe", "--min", "1400", "--max", "1300", "x"}, "--min 1400: is more than --max 1300"},
		{[]string{"probe", "--method", "udp,udp", "x"}, `--method "udp,udp": udp more than once`},
		{[]string{"probe", "--method", "udp,", "x"}, `--method "": want `},
		{[]string{"probe", "--method", "smoke", "x"}, `--method "smoke": want `},
		{[]string{"probe", "--port", "-1", "x"}, "--port -1: want 1 to 65535"},
		{[]string{"probe", "--port", "80", "--method", "icmp", "x"}, "--port 80: method icmp has no ports"},
		{[]string{"probe", "--port", "80", "x"}, "--port 80: name a --method with it"},
		{[]string{"probe", "--port", "65536", "x"}, "--port 65536: want 1 to 65535"},
		{[]string{"probe", "--timeout", "1ms", "x"}, "--timeout 1ms: want 10ms to 1m"},
		{[]string{"probe", "--timeout", "2h", "x"}, "--timeout 2h0m0s: want 10ms to 1m"},
		{[]string{"probe", "--time", "1ms", "x"}, "--time 1ms: want 1s to 1h"},
		{[]string{"probe", "--probes", "11", "x"}, "--probes 11: want 1 to 10"},
		{[]string{"probe", "--loss", "9", "x"}, "--loss 9: want 10 to 10000 packets, or 0 for none"},
		{[]string{"probe", "--flows", "65", "x"}, "--flows 65: want 1 to 64"},
		{[]string{"probe", "--jobs", "0", "x"}, "--jobs 0: want 1 to 64"},
		{[]string{"probe", "--source", "here", "x"}, `--source "here": want an IP address`},
		{[]string{"probe", "-6", "--source", "192.0.2.1", "x"}, `--source "192.0.2.1": is of the other address family`},
		{[]string{"probe", "--attribution", strings.Repeat("x", 201), "x"}, "--attribution of 201 bytes: want at most 200"},
		{append([]string{"probe"}, make([]string, mostHosts+1)...), "4097 hosts: want at most 4096"},
	}
	for _, test := range tests {
		t.Run(test.says, func(t *testing.T) {
			code, out, errOut := call(test.args...)
			assert.Equal(t, exitUsage, code)
			assert.Empty(t, out, "data only on standard output")
			assert.Contains(t, errOut, test.says)
			assert.Contains(t, errOut, "--help")
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	code, out, errOut := call("probe", "--help")
	assert.Equal(t, exitOK, code)
	assert.Contains(t, out, "--method")
	assert.Empty(t, errOut)
	code, out, _ = call("version")
	assert.Equal(t, exitOK, code)
	assert.Contains(t, out, fmt.Sprintf("record schema %d", results.Schema))
	code, out, _ = call()
	assert.Equal(t, exitOK, code)
	assert.Contains(t, out, "Available Commands")
}

func TestExitCode(t *testing.T) {
	for _, test := range []struct {
		err  error
		code int
		says string
	}{
		{nil, exitOK, ""},
		{errors.New("broken"), exitNotMeasured, "pmtu probe: broken\n"},
		{notMeasured{1, 3}, exitNotMeasured, "pmtu probe: 1 of 3 not measured\n"},
		{fmt.Errorf("more: %w", usagef("bad")), exitUsage, "pmtu probe: more: bad\nSee \"pmtu probe --help\".\n"},
		{privilegeError{&rawsock.PrivilegeError{What: "raw", Need: "CAP_NET_RAW", Err: os.ErrPermission}, "--method udp"}, exitPrivilege,
			"pmtu probe: raw: permission denied; it needs CAP_NET_RAW. Without it: --method udp\n"},
	} {
		var b bytes.Buffer
		cmd, _, err := newRootCommand().Find([]string{"probe"})
		require.NoError(t, err)
		assert.Equal(t, test.code, exitCode(&b, cmd, test.err))
		assert.Equal(t, test.says, b.String())
	}
}

// TestTargets needs no name server: literals, names that can't be, and names
// from the hosts file.
func TestTargets(t *testing.T) {
	tests := []struct {
		host   string
		v4, v6 bool
		want   string // an address, or what the error says
	}{
		{host: "192.0.2.1", want: "192.0.2.1"},
		{host: "::ffff:192.0.2.1", want: "192.0.2.1"},
		{host: "2001:db8::1", want: "2001:db8::1"},
		{host: "fe80::1%7", want: "fe80::1%7"},
		{host: "192.0.2.1", v4: true, v6: true, want: "192.0.2.1"},
		{host: "192.0.2.1", v6: true, want: `host "192.0.2.1": is not of the address family asked for`},
		{host: "fe80::1", want: `host "fe80::1": a link-local address needs a zone, as in fe80::1%eth0`},
		{host: "", want: `host "": is empty`},
		{host: "no..name", want: `host "no..name": unknown host`},
		{host: "ff02::1", want: `host "ff02::1": is not the address of one host`},
		{host: "0.0.0.0", want: `host "0.0.0.0": is not the address of one host`},
		{host: "255.255.255.255", want: `host "255.255.255.255": is not the address of one host`},
	}
	for _, test := range tests {
		m := &measurer{options: probeOptions{v4: test.v4, v6: test.v6}}
		got := m.targets(t.Context(), test.host)
		require.Len(t, got, 1, test.host)
		assert.Equal(t, test.host, got[0].name)
		if got[0].err != nil {
			assert.Equal(t, test.want, got[0].err.Error())
		} else {
			assert.Equal(t, test.want, got[0].addr.String())
		}
	}
	m := &measurer{options: probeOptions{src: netip.MustParseAddr("2001:db8::2")}}
	got := m.targets(t.Context(), "192.0.2.1")
	assert.ErrorContains(t, got[0].err, "is not of the address family asked for", "a source address chooses the family")
}

func TestPrintRecord(t *testing.T) {
	size := 1420
	r := &results.Record{
		Target: "example.net", Address: "2001:db8::1", PMTU: &size, Verdict: results.OK, Confidence: 0.99, Direction: results.RoundTrip,
		Vantage:    results.Vantage{Interface: "eth0", MTU: 1500, Source: "2001:db8::2"},
		Bottleneck: &results.Bottleneck{Hop: 1, Addr: "2001:db8::ff", Evidence: "Packet Too Big with MTU 1420"},
		PTB:        []results.PTB{{From: "2001:db8::ff", Hop: 1, MTU: 1420, Grade: results.Exact}},
		Methods:    []results.Method{{Method: "icmp", PMTU: &size, Verdict: results.OK, ProbesSent: 4, RTT: 1500, Elapsed: 90000}},
		Evidence:   []string{"icmp: 1420 bytes arrived"},
	}
	var b strings.Builder
	require.NoError(t, printRecord(&b, r))
	assert.Equal(t, `example.net (2001:db8::1): path MTU 1420 bytes, ok, confidence 0.99, round-trip
  first hop   eth0, 1500 bytes, from 2001:db8::2
  bottleneck  2001:db8::ff (hop 1): Packet Too Big with MTU 1420
  too big     2001:db8::ff (hop 1) says MTU 1420: exact
  icmp        1420 bytes, ok; 4 packets, 0 lost, RTT 1.5ms, 90ms
  because     icmp: 1420 bytes arrived
`, b.String())
	b.Reset()
	require.NoError(t, printRecord(&b, &results.Record{Target: "x", PMTU: &size, Verdict: results.LossyAbove, Loss: []results.Loss{{Size: 44, Sent: 3, Lost: 1}, {Size: 1500, Sent: 40, Lost: 13}}}))
	assert.Contains(t, b.String(), "  loss        1500 bytes: 13 of 40, 32.5 %\n")
	assert.NotContains(t, b.String(), "44 bytes")
	b.Reset()
	require.NoError(t, printRecord(&b, &results.Record{Target: "x", Error: "unknown host"}))
	assert.Equal(t, "x: not measured: unknown host\n", b.String())
}

// TestLoopback: the program end to end, without a namespace.
func TestLoopback(t *testing.T) {
	code, out, errOut := call("probe", "--json", "--method", "udp", "--max", "1500", "127.0.0.1", "no..name")
	assert.Equal(t, exitNotMeasured, code)
	assert.Contains(t, errOut, "1 of 2 not measured")
	r := results.NewReader(strings.NewReader(out))
	byName := map[string]*results.Record{}
	for range 2 {
		rec, err := r.Read()
		require.NoError(t, err, out)
		byName[rec.Target] = rec
	}
	require.NotNil(t, byName["127.0.0.1"].PMTU, out)
	assert.Equal(t, 1500, *byName["127.0.0.1"].PMTU)
	assert.Equal(t, results.LocalLimit, byName["127.0.0.1"].Verdict)
	assert.Equal(t, `host "no..name": unknown host`, byName["no..name"].Error)
	assert.Equal(t, byName["127.0.0.1"].Run, byName["no..name"].Run)
}

// TestInterrupted: after an interrupt every host still has its record.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := &measurer{options: probeOptions{method: "udp", port: 9, probes: 3}, run: "r"}
	n := 0
	err := measureAll(ctx, m, []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}, 2, func(r *results.Record, err error) error {
		n++
		assert.Nil(t, r.PMTU)
		assert.Equal(t, "interrupted", r.Error)
		return errors.Join(err, r.Validate())
	})
	require.NoError(t, err)
	assert.Equal(t, 3, n)
}
