package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"pathmtu/results"
)

// Version is the program's version; a release build sets it with -ldflags -X.
var Version = ""

// toolVersion is what records carry as tool.
func toolVersion() string { return "pmtu " + buildOf(debug.ReadBuildInfo()).Version }

// build is what "pmtu version" tells of the program.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"` // empty: the build does not tell
	Time     string `json:"time,omitempty"`   // of the commit, RFC 3339
	Modified bool   `json:"modified"`         // there were changes since the commit
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Schema   int    `json:"schema"` // of the records
}

// buildOf takes what debug.ReadBuildInfo returns.
func buildOf(info *debug.BuildInfo, ok bool) build {
	b := build{Version: Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Schema: results.Schema}
	if !ok {
		if b.Version == "" {
			b.Version = "unknown"
		}
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	if b.Version == "" {
		b.Version = develVersion(info.Main.Version, b)
	}
	return b
}

// develVersion names a build that is no release.
func develVersion(main string, b build) string {
	if main != "" && main != "(devel)" {
		return main
	}
	if len(b.Commit) < 12 {
		return "devel"
	}
	if b.Modified {
		return "devel-" + b.Commit[:12] + "+changes"
	}
	return "devel-" + b.Commit[:12]
}

func newVersionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Version prints the version, the commit that it was built from, Go's version, and the system.",
		Example: "  pmtu version\n  pmtu version --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printBuild(cmd.OutOrStdout(), buildOf(debug.ReadBuildInfo()), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object on standard output")
	return cmd
}

func printBuild(w io.Writer, b build, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(b)
	}
	commit := b.Commit
	switch {
	case commit == "":
		commit = "unknown"
	case b.Modified:
		commit += " with changes"
	}
	_, err := fmt.Fprintf(w, "pmtu %s (commit %s, record schema %d, %s, %s/%s)\n", b.Version, commit, b.Schema, b.Go, b.OS, b.Arch)
	return err
}
