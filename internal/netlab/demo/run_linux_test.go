package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/results"
)

// The test binary stands in for the program: it prints what the environment
// tells it to.
const (
	standinStdout = "DEMO_TEST_STDOUT"
	standinExit   = "DEMO_TEST_EXIT"
)

func TestMain(m *testing.M) {
	if out, ok := os.LookupEnv(standinStdout); ok {
		if out == "hang" {
			time.Sleep(time.Hour)
		}
		fmt.Print(out)
		fmt.Fprintln(os.Stderr, "arguments:", strings.Join(os.Args[1:], " "))
		code, _ := strconv.Atoi(os.Getenv(standinExit))
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func record(t *testing.T, pmtu int, verdict results.Verdict) string {
	var b bytes.Buffer
	require.NoError(t, results.NewWriter(&b).Write(&results.Record{
		Schema: results.Schema, Tool: "pmtu", Run: "test", Time: time.Unix(1, 0).UTC(), Target: "198.51.100.10", Family: 4,
		PMTU: &pmtu, Verdict: verdict, Direction: results.RoundTrip,
		Methods: []results.Method{{Method: "icmp", Flow: "x", PMTU: &pmtu, Verdict: verdict, Direction: results.RoundTrip, ProbesSent: 7}},
	}))
	return b.String()
}

// run measures one filtered path, 1420, with the stand-in.
func run(t *testing.T, stdout string, exit int, change func(*Config)) (rows []Row, wrong int, err error) {
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	t.Setenv(standinStdout, stdout)
	t.Setenv(standinExit, strconv.Itoa(exit))
	c := Config{
		Program: "/proc/self/exe", Families: []int{4}, Methods: []string{"icmp"},
		Paths: []Path{{Edge: 9000, Bottleneck: 1420, PTB: netlab.PTB{Mode: netlab.PTBFiltered}}},
		Row:   func(r Row) { rows = append(rows, r) },
	}
	if change != nil {
		change(&c)
	}
	wrong, err = Run(t.Context(), c)
	return rows, wrong, err
}

// A right answer that no packet was sent for is a wrong one.
func TestRunNoticesThatTheFilterWasNotHit(t *testing.T) {
	rows, wrong, err := run(t, record(t, 1420, results.OKSilent), 0, nil)
	require.NoError(t, err)
	assert.Equal(t, 1, wrong)
	require.Len(t, rows, 1)
	assert.Contains(t, rows[0].Wrong, "(ptb ipv4) was never hit")
}

func TestRunRight(t *testing.T) {
	rows, wrong, err := run(t, record(t, 1500, results.OK), 0, func(c *Config) { c.Paths = []Path{{Edge: 1500, Bottleneck: 9000}} })
	require.NoError(t, err)
	assert.Zero(t, wrong)
	require.Len(t, rows, 1)
	assert.True(t, rows[0].OK)
	var table bytes.Buffer
	require.NoError(t, Header(&table))
	require.NoError(t, rows[0].Write(&table))
	assert.Regexp(t, `1500-9000-1500 +IPv4 +- +icmp +1500 +1500 +ok +- +7 +\S+ +ok\n$`, table.String())
	b, err := json.Marshal(rows[0])
	require.NoError(t, err)
	assert.Contains(t, string(b), `"edge":1500,"bottleneck":9000,"ptb_behaviour":"-"`)
}

func TestRunWrong(t *testing.T) {
	for _, c := range []struct {
		stdout string
		exit   int
		wrong  string
	}{
		{record(t, 1400, results.OKSilent), 0, "pmtu 1400, want 1420"},
		{record(t, 1420, results.OK), 0, "verdict ok, want ok-silent"},
		{record(t, 1420, results.OKSilent), 1, "exit code 1: arguments: probe --json --method icmp -4 198.51.100.10"},
		{record(t, 1420, results.OKSilent) + record(t, 1420, results.OKSilent), 0, "more than one record"},
		{"", 3, "exit code 3 without a record: arguments"},
		{"not json\n", 0, "line 1"},
	} {
		rows, wrong, err := run(t, c.stdout, c.exit, nil)
		require.NoError(t, err)
		assert.Equal(t, 1, wrong)
		require.Len(t, rows, 1)
		assert.Contains(t, rows[0].Wrong, c.wrong)
		var line bytes.Buffer
		require.NoError(t, rows[0].Write(&line))
		assert.Contains(t, line.String(), "WRONG: ")
	}
}

func TestRunHangs(t *testing.T) {
	rows, wrong, err := run(t, "hang", 0, func(c *Config) { c.Timeout = 100 * time.Millisecond })
	require.NoError(t, err)
	assert.Equal(t, 1, wrong)
	require.Len(t, rows, 1)
	assert.Contains(t, rows[0].Wrong, "not finished within 100ms")
}

func TestRunIsCutShort(t *testing.T) {
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	t.Setenv(standinStdout, "hang")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := Run(ctx, Config{Program: "/proc/self/exe"})
	assert.ErrorIs(t, err, context.Canceled)
}

func TestRowsKeepTheOrderOfThePlan(t *testing.T) {
	var got []int
	done := 0
	o := &ordered{row: func(r Row) { got = append(got, r.Truth) }, done: func() { done++ }, waiting: map[int]Row{}}
	for _, i := range []int{2, 0, 1, 5, 4} {
		o.put(i, Row{Truth: i, OK: i != 4})
	}
	assert.Equal(t, []int{0, 1, 2}, got)
	o.flush()
	assert.Equal(t, []int{0, 1, 2, 4, 5}, got)
	assert.Equal(t, 5, done)
	assert.Equal(t, 1, o.wrong)
}
