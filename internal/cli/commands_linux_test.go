package cli

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachCommand visits every command below root, of cobra's own only "help" and
// "completion": what "completion" has below is cobra's.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		if cmd.Name() != "completion" {
			eachCommand(sub, visit)
		}
	}
}

func TestEveryCommandSaysWhatItDoes(t *testing.T) {
	seen := 0
	eachCommand(Commands(), func(cmd *cobra.Command) {
		seen++
		path := cmd.CommandPath()
		assert.NotEmpty(t, cmd.Short, path)
		assert.NotEmpty(t, cmd.Long, path)
		assert.NotEmpty(t, cmd.Example, path)
		assert.NotRegexp(t, `[.\s]$`, cmd.Short, "%s: Short ends with a point or a space", path)
		assert.NotRegexp(t, `\s$`, cmd.Long, "%s: Long ends with a space", path)
		for line := range strings.Lines(cmd.Long) {
			assert.LessOrEqual(t, len(line), 93, "%s: %s", path, line)
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			assert.NotEmpty(t, f.Usage, "%s --%s", path, f.Name)
		})
	})
	assert.Greater(t, seen, 20, "the walk misses commands")
}

// An example is a line that people copy: its command, flags and number of arguments
// must be those that there are.
func TestExamplesParse(t *testing.T) {
	eachCommand(Commands(), func(cmd *cobra.Command) {
		own := false
		for _, line := range exampleLines(cmd.Example) {
			for _, args := range calls(t, line) {
				called := parseCall(t, line, args)
				own = own || called == cmd.CommandPath()
			}
		}
		// What only has others below shows these.
		assert.True(t, own || cmd.HasSubCommands(), "%s: no example calls it", cmd.CommandPath())
	})
}

func TestExamplesThatDoNotParseAreSeen(t *testing.T) {
	for _, bad := range []string{
		"pmtu probe --nosuch example.net", "pmtu nosuch", "pmtu trace", "pmtu lab internet run -- pmtu survey --nosuch",
		"pmtu probe --port many example.net",
	} {
		failed := false
		for _, args := range calls(t, bad) {
			if _, _, err := parsed(args); err != nil {
				failed = true
			}
		}
		assert.True(t, failed, bad)
	}
}

// exampleLines returns the lines of an example, with those joined that a backslash
// continues.
func exampleLines(example string) []string {
	return strings.Split(strings.ReplaceAll(example, "\\\n", " "), "\n")
}

// calls returns the arguments of each call of pmtu in a line of shell: those of a
// pipe, and those after "--". Redirections are left out. Quotes are not understood,
// and not needed.
func calls(t *testing.T, line string) [][]string {
	require.NotContains(t, line, `"`, line)
	require.NotContains(t, line, "'", line)
	var all [][]string
	for part := range strings.SplitSeq(line, " | ") {
		var args []string
		skip := false
		for _, word := range strings.Fields(part) {
			switch {
			case skip:
				skip = false
			case word == ">" || word == "<":
				skip = true
			default:
				args = append(args, word)
			}
		}
		require.NotEmpty(t, args, line)
		require.Equal(t, "pmtu", args[0], line)
		all = append(all, args[1:])
		if i := slices.Index(args, "--"); i >= 0 && i+1 < len(args) && args[i+1] == "pmtu" {
			all = append(all, args[i+2:])
		}
	}
	return all
}

func parseCall(t *testing.T, line string, args []string) string {
	path, _, err := parsed(args)
	assert.NoError(t, err, line)
	return path
}

// parsed lets the program's parser read the arguments, and returns which command
// they call, with which arguments beside flags.
func parsed(args []string) (path string, rest []string, err error) {
	cmd, rest, err := Commands().Find(args)
	if err != nil {
		return "", nil, err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return "", nil, err
	}
	rest = cmd.Flags().Args()
	return cmd.CommandPath(), rest, cmd.ValidateArgs(rest)
}

// The manual is the same on every machine: no default of a flag may be this one's.
func TestDefaultsAreNotOfThisMachine(t *testing.T) {
	name, err := os.Hostname()
	require.NoError(t, err)
	folder, err := os.Getwd()
	require.NoError(t, err)
	named := 0
	eachCommand(Commands(), func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "vantage" {
				named++
				assert.NotContains(t, []string{name, vantageName(name)}, f.DefValue, cmd.CommandPath())
			}
			// A name as short as a usual default would be found by chance.
			if len(name) > 9 {
				assert.NotContains(t, f.DefValue, name, "%s --%s", cmd.CommandPath(), f.Name)
			}
			assert.NotContains(t, f.DefValue, folder, "%s --%s", cmd.CommandPath(), f.Name)
		})
	})
	assert.Positive(t, named)
}

func TestHelpOfWhatThereIsNotIsWrongUse(t *testing.T) {
	for _, args := range [][]string{{"help", "nosuch"}, {"help", "lab", "nosuch"}, {"help", "probe", "example.net"}, {"completion", "nosuch"}, {"completion", "bash", "more"}} {
		var out, errOut strings.Builder
		assert.Equal(t, exitUsage, Main(args, nil, &out, &errOut), "%v", args)
		assert.Contains(t, errOut.String(), args[len(args)-1])
		assert.Empty(t, out.String())
	}
}

func TestHelpIsThatOfTheFlag(t *testing.T) {
	show := func(args ...string) string {
		var out, errOut strings.Builder
		require.Zero(t, Main(args, nil, &out, &errOut), errOut.String())
		return out.String()
	}
	assert.Equal(t, show("lab", "up", "--help"), show("help", "lab", "up"))
	assert.Equal(t, show("--help"), show("help"))
}
