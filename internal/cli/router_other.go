//go:build !linux

package cli

import "github.com/spf13/cobra"

func newRouterCommand() *cobra.Command {
	return newDatapathUnsupported("router", "Forward IPv6 in user space, telling the path MTU")
}

func newHostCommand() *cobra.Command {
	return newDatapathUnsupported("host", "Be an IPv6 host in user space that answers measurements")
}

func newDatapathUnsupported(use, short string) *cobra.Command {
	return newUnsupportedCommand(use, short+" (needs Linux)", "the datapaths are made of Linux sockets, which this system has not")
}
