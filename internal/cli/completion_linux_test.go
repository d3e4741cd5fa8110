package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// completed returns what a shell is offered for args, of which the last is unfinished.
func completed(t *testing.T, args ...string) []string {
	var out, errOut bytes.Buffer
	require.Zero(t, Main(append([]string{"__complete"}, args...), nil, &out, &errOut), errOut.String())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return lines[:len(lines)-1] // the last is the directive
}

func TestFlagValuesAreCompleted(t *testing.T) {
	for _, c := range closedFlags() {
		assert.ElementsMatch(t, c.values, completed(t, append(strings.Fields(c.command)[1:], "--"+c.flag, "")...), "%s --%s", c.command, c.flag)
	}
}

func TestListsAreCompletedAfterTheComma(t *testing.T) {
	got := completed(t, "probe", "--method", "icmp,d")
	assert.Equal(t, []string{"icmp,dns"}, got)
	more := completed(t, "probe", "--method", "icmp,")
	assert.Contains(t, more, "icmp,udp")
	assert.NotContains(t, more, "icmp,icmp")
	assert.NotContains(t, more, "icmp,auto")
}

func TestTopologiesAreCompleted(t *testing.T) {
	got := completed(t, "lab", "up", "")
	assert.Contains(t, got, "path")
	assert.Contains(t, got, "blackhole")
	assert.Empty(t, completed(t, "lab", "up", "blackhole", ""))
}

func TestEveryShellHasAScript(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var out, errOut bytes.Buffer
		require.Zero(t, Main([]string{"completion", shell}, nil, &out, &errOut), errOut.String())
		assert.Contains(t, out.String(), "__complete", shell)
	}
}
