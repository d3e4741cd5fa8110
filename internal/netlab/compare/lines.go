package compare

import (
	"fmt"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// countLines counts the lines with code on them in Go files, given as files or as
// folders (without those below, and without tests).
func countLines(root string, names []string) (int, error) {
	total := 0
	for _, name := range names {
		files := []string{filepath.Join(root, name)}
		if !strings.HasSuffix(name, ".go") {
			var err error
			if files, err = filepath.Glob(filepath.Join(root, name, "*.go")); err != nil {
				return 0, err
			}
		}
		if len(files) == 0 {
			return 0, fmt.Errorf("compare: no Go files in %s", filepath.Join(root, name))
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			text, err := os.ReadFile(f)
			if err != nil {
				return 0, err
			}
			total += codeLines(text)
		}
	}
	return total, nil
}

// codeLines counts the lines on which a token stands.
func codeLines(text []byte) (n int) {
	set := token.NewFileSet()
	file := set.AddFile("", set.Base(), len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0) // comments are skipped
	last := 0
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			return n
		}
		if tok == token.SEMICOLON && lit == "\n" {
			continue // inserted
		}
		first := file.Line(pos)
		end := first + strings.Count(lit, "\n") // raw strings
		n += end - max(first, last+1) + 1
		last = max(last, end)
	}
}
