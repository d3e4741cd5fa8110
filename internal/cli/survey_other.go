//go:build !linux

package cli

import "github.com/spf13/cobra"

func newSurveyCommand() *cobra.Command {
	return newUnsupportedCommand("survey", "Needs Linux", "surveys need Linux's sockets, which send batches that must not be fragmented")
}
