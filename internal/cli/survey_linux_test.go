package cli

import (
	"bytes"
	"encoding/json"
	"errors"
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

// TestSurveyUsage: wrong flags are named, with exit code 2, and nothing is sent.
func TestSurveyUsage(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	require.NoError(t, os.WriteFile(bad, []byte("8.8.8.8\nnonsense\n"), 0o600))
	const uri = "--attribution=https://example.net/"
	for want, args := range map[string][]string{
		"no targets":                         {uri},
		"--attribution: want a URI":          {"192.0.2.1"},
		`--attribution "ftp://x"`:            {"--attribution=ftp://x", "192.0.2.1"},
		"--attribution of 301 bytes":         {"--attribution=https://" + strings.Repeat("x", 293), "192.0.2.1"},
		`target "x"`:                         {uri, "x"},
		`--method "smtp"`:                    {uri, "--method=smtp", "192.0.2.1"},
		`--bandwidth "1T"`:                   {uri, "--bandwidth=1T", "192.0.2.1"},
		"need --origins":                     {uri, "--as-rate=1", "192.0.2.1"},
		`--shard "4/4"`:                      {uri, "--shard=4/4", "192.0.2.1"},
		"needs --seed":                       {uri, "--shard=0/4", "192.0.2.1"},
		"--port 0":                           {uri, "--port=0", "192.0.2.1"},
		"--batch 0":                          {uri, "--batch=0", "192.0.2.1"},
		"--resume: needs --output":           {uri, "--resume", "192.0.2.1"},
		"no such file":                       {uri, "--input=" + filepath.Join(dir, "none")},
		`line 2: "nonsense"`:                 {uri, "--blocklist=" + bad, "192.0.2.1"},
		"--lab: only in a network namespace": {"--lab", "10.0.0.1"},
	} {
		var out, errOut bytes.Buffer
		code := Main(append([]string{"survey"}, args...), strings.NewReader(""), &out, &errOut)
		assert.Equal(t, exitUsage, code, "%v: %s", args, errOut.String())
		assert.Contains(t, errOut.String(), want)
		assert.Empty(t, out.String())
	}
}

func TestParseBits(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "500K": 5e5, "1.5M": 1.5e6, "2G": 2e9, "77": 77} {
		got, err := parseBits(text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"", "x", "-1", "NaN", "Inf", "1MM", "2000G"} {
		_, err := parseBits(text)
		assert.Error(t, err, text)
	}
}

// TestLabInternet: targets and truth fit together.
func TestLabInternet(t *testing.T) {
	var list, truth, errOut bytes.Buffer
	require.Zero(t, Main([]string{"lab", "internet", "targets", "-n", "5", "--seed", "9"}, nil, &list, &errOut))
	require.Equal(t, 10, strings.Count(list.String(), "\n"))
	require.Zero(t, Main([]string{"lab", "internet", "truth", "--seed", "9"}, &list, &truth, &errOut), errOut.String())
	lines := strings.Split(strings.TrimSpace(truth.String()), "\n")
	require.Len(t, lines, 10)
	for i, line := range lines {
		var h struct {
			Family int
			MTU    int
		}
		require.NoError(t, json.Unmarshal([]byte(line), &h))
		assert.Equal(t, 4+2*(i/5), h.Family)
		assert.Positive(t, h.MTU)
	}
	assert.Equal(t, exitUsage, Main([]string{"lab", "internet", "truth", "--edge", "1"}, strings.NewReader(""), &truth, &errOut))
	assert.Contains(t, errOut.String(), "edge is 1, want 1280 to 65535 bytes")
	assert.Equal(t, exitUsage, Main([]string{"lab", "internet", "truth"}, strings.NewReader("x"), &truth, &errOut))
	assert.Contains(t, errOut.String(), `line 1: "x"`)
}

// TestLabInternetRun: the program itself in front of the simulated Internet,
// killed by nobody; and the score command.
func TestLabInternetRun(t *testing.T) {
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	pmtu := buildProgram(t)
	dir := t.TempDir()
	run := func(code int, args ...string) string {
		out, got := runProgram(t, dir, pmtu, args...)
		require.Equal(t, code, got, out)
		return out
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "list"), []byte(run(0, "lab", "internet", "targets", "-n", "30")), 0o600))
	survey := []string{"lab", "internet", "--delay", "20ms", "run", "--", "pmtu", "survey", "--lab", "--net-rate", "0", "--input", "list", "--output", "r.jsonl"}
	out := run(0, survey...)
	assert.Contains(t, out, "60 targets:")
	b, err := os.ReadFile(filepath.Join(dir, "r.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, 60, bytes.Count(b, []byte("\n")))
	assert.Contains(t, run(exitUsage, survey...), "exists; go on with --resume")
	run(0, append(survey, "--resume")...)
	assert.Contains(t, run(exitUsage, append(survey, "--resume", "--max", "1400")...), "the checkpoint is of another survey")
	meta, err := os.ReadFile(filepath.Join(dir, "r.jsonl.meta.json"))
	require.NoError(t, err)
	assert.Contains(t, string(meta), `"plan_sha256"`)
	run(7, "lab", "internet", "run", "--", "sh", "-c", "exit 7")
	// Without --lab, nothing that is set aside is probed, not even here.
	out = run(0, "lab", "internet", "run", "--", "pmtu", "survey", "--no-attribution", "-o", "none.jsonl", "192.0.2.0/24", "127.0.0.1", "224.0.0.1", "10.0.0.0/30", "2001:db8::1")
	assert.Contains(t, out, "0 targets: 0 measured, 0 unresponsive, 0 other; 263 skipped; 0 packets")
	score := run(0, "lab", "internet", "score", "-4", "-n", "100", "--rate", "2000", "--sample", "0", "--out", "score")
	assert.Contains(t, score, "above truth 0")
	for _, name := range []string{"score.json", "score.txt", "manifest.json", "found4-100.meta.json"} {
		assert.FileExists(t, filepath.Join(dir, "score", name))
	}
}

// buildProgram builds the program.
func buildProgram(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "pmtu")
	out, err := exec.Command("go", "build", "-o", name, "pathmtu/cmd/pmtu").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return name
}

// runProgram returns what the program prints, and its exit code.
func runProgram(t *testing.T, dir, name string, args ...string) (string, int) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	require.NoError(t, err)
	return string(out), 0
}
