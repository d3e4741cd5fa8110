//go:build !linux

package cli

import "github.com/spf13/cobra"

func newLabDemoCommand() *cobra.Command     { return newLabUnsupported("demo") }
func newLabUpCommand() *cobra.Command       { return newLabUnsupported("up") }
func newLabDownCommand() *cobra.Command     { return newLabUnsupported("down") }
func newLabListCommand() *cobra.Command     { return newLabUnsupported("list") }
func newLabInternetCommand() *cobra.Command { return newLabUnsupported("internet") }

func newLabUnsupported(use string) *cobra.Command {
	return newUnsupportedCommand(use, "Needs Linux", "labs are made of Linux network namespaces, which this system has not")
}
