// Command sbom writes the software bill of materials of a built program, in
// CycloneDX's JSON: every module that is linked into it, with its version and
// checksum. It knows only what the program tells of itself, as "go version -m"
// prints it. The same program, version and SOURCE_DATE_EPOCH make the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	out := flag.String("out", "", "file to write")
	version := flag.String("version", "", "version of the program (default: what the program tells)")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: sbom -out FILE [-version VERSION] PROGRAM\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	err := errors.New("want -out FILE and one PROGRAM")
	if *out != "" && flag.NArg() == 1 {
		err = write(*out, flag.Arg(0), *version, os.Getenv("SOURCE_DATE_EPOCH"))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "sbom: %v\n", err)
		os.Exit(1)
	}
}

// write writes the bill of materials of a program. epoch is its time, in seconds
// since 1970: the clock is never asked.
func write(out, program, version, epoch string) error {
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH=%q: want seconds since 1970, such as those of the commit", epoch)
	}
	p, err := read(program, version)
	if err != nil {
		return err
	}
	text, err := p.bill(time.Unix(seconds, 0).UTC())
	if err != nil {
		return err
	}
	return os.WriteFile(out, text, 0o644)
}
