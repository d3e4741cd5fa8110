//go:build unix

package fleet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"pathmtu/results"
)

// LinesFile is an Output to a file, which one process at a time may write.
type LinesFile struct{ *os.File }

// OpenLines opens a file of results, or makes it, and calls each for what is in
// it. A last line that was cut short is removed.
func OpenLines(name string, each func(*results.Record) error) (*LinesFile, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = fmt.Errorf("another process writes it: %w", err)
	} else {
		err = readLines(f, each)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return &LinesFile{f}, nil
}

func readLines(f *os.File, each func(*results.Record) error) error {
	in := bufio.NewReaderSize(f, results.MaxLine+1)
	length := int64(0)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		r, err := results.NewReader(bytes.NewReader(line)).Read()
		if err == nil {
			err = each(r)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		length += int64(len(line))
	}
	if err := f.Truncate(length); err != nil {
		return err
	}
	_, err := f.Seek(length, io.SeekStart)
	return err
}
