package cli

import (
	"bytes"
	"encoding/json"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

func buildInfo(version, modified string) *debug.BuildInfo {
	return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: commit}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: modified},
	}}
}

func TestVersionComesFromTheBuild(t *testing.T) {
	assert.Equal(t, "v0.1.0", buildOf(buildInfo("v0.1.0", "false"), true).Version)
	assert.Equal(t, "devel-0123456789ab", buildOf(buildInfo("(devel)", "false"), true).Version)
	assert.Equal(t, "devel-0123456789ab+changes", buildOf(buildInfo("", "true"), true).Version)
	assert.Equal(t, "devel", buildOf(&debug.BuildInfo{}, true).Version)
	assert.Equal(t, "unknown", buildOf(nil, false).Version)
}

func TestVersionIsPrinted(t *testing.T) {
	var out bytes.Buffer
	b := buildOf(buildInfo("v0.1.0", "true"), true)
	require.NoError(t, printBuild(&out, b, false))
	for _, want := range []string{"pmtu v0.1.0 ", "commit " + commit + " with changes", runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH} {
		assert.Contains(t, out.String(), want)
	}
}

func TestVersionAsJSON(t *testing.T) {
	var out, errOut bytes.Buffer
	require.Zero(t, Main([]string{"version", "--json"}, nil, &out, &errOut), errOut.String())
	var b build
	require.NoError(t, json.Unmarshal(out.Bytes(), &b))
	assert.NotEmpty(t, b.Version)
	assert.Equal(t, []any{runtime.Version(), runtime.GOOS, runtime.GOARCH, results.Schema}, []any{b.Go, b.OS, b.Arch, b.Schema})
}
