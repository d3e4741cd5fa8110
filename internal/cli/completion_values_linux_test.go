package cli

import (
	"bytes"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// furtherWrong makes a call of a command that is wrong in something which is looked at
// after the flag's value: what the message is about tells whether the value was taken,
// and nothing is ever done. It returns what the message then contains.
var furtherWrong = map[string]func(t *testing.T, value string) (args []string, message string){
	"pmtu probe --method": func(_ *testing.T, v string) ([]string, string) {
		return []string{"--method", v, "--port", "70000", "host"}, "--port"
	},
	"pmtu survey --method": func(_ *testing.T, v string) ([]string, string) {
		return []string{"--method", v, "--bandwidth", "wrong", "192.0.2.1"}, "--bandwidth"
	},
	"pmtu survey serve --method": func(t *testing.T, v string) ([]string, string) {
		return []string{"--method", v, "--bandwidth", "wrong", "--output", filepath.Join(t.TempDir(), "out"), "192.0.2.1"}, "--bandwidth"
	},
	"pmtu report --family": func(_ *testing.T, v string) ([]string, string) {
		return []string{"--family", v, "--rows", "0"}, "--rows"
	},
	"pmtu router --datapath": func(_ *testing.T, v string) ([]string, string) {
		return []string{"--datapath", v}, "no ports"
	},
	"pmtu host --datapath": func(_ *testing.T, v string) ([]string, string) {
		return []string{"--datapath", v}, "both are needed"
	},
	"pmtu host --truncate": func(_ *testing.T, v string) ([]string, string) {
		return []string{"--port", "none", "--address", "2001:db8::1", "--truncate", v, "--truncate-codes", "1,2"}, "truncate-codes"
	},
	"pmtu decode --truncate": func(_ *testing.T, v string) ([]string, string) {
		return []string{"--truncate", v, "--truncate-codes", "1,2", "00"}, "truncate-codes"
	},
	"pmtu decode --link": func(_ *testing.T, v string) ([]string, string) {
		return []string{"--link", v, "--count", "-1", "00"}, "count"
	},
	"pmtu lab up --ptb": func(_ *testing.T, v string) ([]string, string) {
		return []string{"--ptb", v, "--edge", "1", "path"}, "--edge"
	},
	"pmtu lab demo --method": func(_ *testing.T, v string) ([]string, string) {
		return []string{"--method", v + ",nosuch"}, `"nosuch"`
	},
	"pmtu lab internet score --method": func(_ *testing.T, v string) ([]string, string) {
		return []string{"--method", v, "--config", "/dev/null"}, "--config"
	},
}

// alsoTakes are values that a flag takes and that a shell doesn't offer.
func alsoTakes(name, value string) bool {
	n, err := strconv.Atoi(value)
	return name == "pmtu lab up --ptb" && err == nil && n >= 0 // the MTU that is claimed
}

// What is offered is taken, and what another flag is offered is not, unless it is
// offered here too.
func TestOfferedValuesAreThoseThatAreTaken(t *testing.T) {
	words := []string{"wrong"}
	for _, c := range closedFlags() {
		words = append(words, c.values...)
	}
	slices.Sort(words)
	words = slices.Compact(words)
	seen := 0
	for _, c := range closedFlags() {
		name := c.command + " --" + c.flag
		call, ok := furtherWrong[name]
		require.True(t, ok, "%s: say above how to tell whether it takes a value", name)
		seen++
		for _, word := range words {
			args, message := call(t, word)
			args = append(strings.Fields(c.command)[1:], args...)
			var out, errOut bytes.Buffer
			require.Equal(t, exitUsage, Main(args, strings.NewReader(""), &out, &errOut), "%v: %s", args, errOut.String())
			taken := strings.Contains(errOut.String(), message)
			assert.Equal(t, slices.Contains(c.values, word) || alsoTakes(name, word), taken, "%s %s: %s", name, word, errOut.String())
		}
	}
	assert.Len(t, furtherWrong, seen, "a flag is no longer offered values")
}
