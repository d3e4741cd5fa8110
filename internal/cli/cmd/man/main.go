// Command man writes the manual of pmtu, one page for each command. The same
// commands, version and SOURCE_DATE_EPOCH make the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"

	"pathmtu/internal/cli"
)

func main() {
	out := flag.String("out", "", "folder to write the pages to; it is made if it isn't there")
	version := flag.String("version", "", "version that the pages name (default: none)")
	flag.Parse()
	err := errors.New("-out: want a folder")
	if *out != "" {
		err = write(*out, *version, os.Getenv("SOURCE_DATE_EPOCH"))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "man: %v\n", err)
		os.Exit(1)
	}
}

// write writes the pages. epoch is their date, in seconds since 1970: the clock is
// never asked.
func write(out, version, epoch string) error {
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH=%q: want seconds since 1970, such as those of the commit", epoch)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	date := time.Unix(seconds, 0).UTC()
	root := cli.Commands()
	prepare(root)
	return doc.GenManTree(root, &doc.GenManHeader{
		Section: "1", Date: &date, Source: strings.TrimSpace("pmtu " + version), Manual: "pmtu manual",
	}, out)
}

// prepare makes Markdown, which the generator expects, of the plain text that the
// commands have.
func prepare(cmd *cobra.Command) {
	cmd.DisableAutoGenTag = true
	cmd.Short, cmd.Long = escape(cmd.Short), markdown(cmd.Long)
	cmd.InitDefaultHelpFlag()
	each := func(f *pflag.Flag) {
		f.Usage = escape(f.Usage)
		if f.Value.Type() != "string" { // those are quoted
			f.DefValue = escape(f.DefValue)
		}
	}
	// Inherited flags are those of a parent, which has prepared them.
	cmd.LocalFlags().VisitAll(each)
	for _, sub := range cmd.Commands() {
		prepare(sub)
	}
}
