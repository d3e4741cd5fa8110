// Command pmtu finds, keeps and explains the largest packet that a network path
// carries.
package main

import (
	"os"

	"pathmtu/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
