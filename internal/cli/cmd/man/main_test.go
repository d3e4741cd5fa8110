package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/cli"
)

const epoch = "1767225600" // 1 January 2026

// pages writes the manual and returns it by file name.
func pages(t *testing.T, version string) map[string]string {
	dir := t.TempDir()
	require.NoError(t, write(dir, version, epoch))
	names, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	out := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		out[filepath.Base(name)] = string(text)
	}
	return out
}

// each visits every command that people are shown.
func each(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		if sub.Name() != "help" {
			each(sub, visit)
		}
	}
}

// words are those that a reader sees of a page's source.
func words(roff string) string {
	var shown []string
	for line := range strings.Lines(roff) {
		if !strings.HasPrefix(line, ".") {
			shown = append(shown, line)
		}
	}
	seen := strings.NewReplacer(`\fB`, "", `\fI`, "", `\fP`, "", `\fR`, "", `\-`, "-", `\&`, "", `\\`, `\`).Replace(strings.Join(shown, ""))
	return strings.Join(strings.Fields(seen), " ")
}

func TestEveryCommandHasAPage(t *testing.T) {
	got := pages(t, "v0.1.0")
	each(cli.Commands(), func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		assert.Contains(t, got, name)
		delete(got, name)
	})
	assert.Empty(t, got, "pages of no command")
}

// What is Markdown's or roff's in a text, such as brackets and asterisks, must come
// out as it was written.
func TestPagesSayWhatTheHelpSays(t *testing.T) {
	got := pages(t, "")
	each(cli.Commands(), func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		page := words(got[name])
		for _, text := range []string{cmd.Short, cmd.Long, cmd.Example, cmd.UseLine()} {
			text = strings.ReplaceAll(text, "#### ", "")
			assert.Contains(t, page, strings.Join(strings.Fields(text), " "), name)
		}
		check := func(f *pflag.Flag) {
			value := f.DefValue
			if f.Value.Type() == "string" {
				value = `"` + value + `"`
			}
			if f.NoOptDefVal != "" {
				value += "]"
			}
			assert.Contains(t, page, "="+value+" "+strings.Join(strings.Fields(f.Usage), " "), "%s: --%s", name, f.Name)
		}
		cmd.LocalFlags().VisitAll(check)
		cmd.InheritedFlags().VisitAll(check)
	})
}

func TestPagesAreTheSameAgain(t *testing.T) {
	first := pages(t, "v0.1.0")
	assert.Equal(t, first, pages(t, "v0.1.0"))
	for name, page := range first {
		assert.Contains(t, page, `"Jan 2026" "pmtu v0.1.0"`, name)
		assert.NotContains(t, page, "Auto generated", name)
	}
}

func TestTheClockIsNoDate(t *testing.T) {
	for _, bad := range []string{"", "now", "2026-01-01"} {
		assert.ErrorContains(t, write(t.TempDir(), "", bad), "SOURCE_DATE_EPOCH")
	}
}
