package cli

import (
	"bytes"
	"errors"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
)

func TestUnsupportedCommands(t *testing.T) {
	for _, args := range [][]string{{"up"}, {"up", "blackhole"}, {"up", "--shell", "path", "--edge", "9000", "-6"}} {
		root := &cobra.Command{Use: "pmtu", SilenceErrors: true, SilenceUsage: true}
		root.AddCommand(newUnsupportedCommand("up", "Needs Linux", "labs need Linux"))
		root.SetArgs(args)
		cmd, err := root.ExecuteC()
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		var out bytes.Buffer
		assert.Equal(t, exitUsage, exitCode(&out, cmd, err))
		assert.Equal(t, "pmtu up: labs need Linux: unsupported operation\nSee \"pmtu up --help\".\n", out.String())
	}
}

// Where commands are missing, completion makes do with those that are there.
func TestCompletionWithoutTheCommandsOfLinux(t *testing.T) {
	root := &cobra.Command{Use: "pmtu"}
	lab := &cobra.Command{Use: "lab", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return nil }}
	for _, use := range []string{"demo", "up", "down", "list", "internet"} {
		lab.AddCommand(newUnsupportedCommand(use, "Needs Linux", "labs need Linux"))
	}
	root.AddCommand(lab, newProbeCommand(), newReportCommand(), newDecodeCommand())
	for _, use := range []string{"survey", "router", "host"} {
		root.AddCommand(newUnsupportedCommand(use, "Needs Linux", "it needs Linux"))
	}
	assert.NoError(t, addCompletion(root))
}
