//go:build !linux

package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

func newRouterCommand() *cobra.Command {
	return newDatapathUnsupported("router", "Forward IPv6 in user space, telling the path MTU")
}

func newHostCommand() *cobra.Command {
	return newDatapathUnsupported("host", "Be an IPv6 host in user space that answers measurements")
}

func newDatapathUnsupported(use, short string) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short + " (needs Linux)",
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("the datapaths are made of Linux sockets: this system has none")}
		},
	}
}
