//go:build !linux

package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

func newSurveyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "survey",
		Short: "Needs Linux",
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("surveys need Linux's sockets, which send batches that must not be fragmented")}
		},
	}
}
