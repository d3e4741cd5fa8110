package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"runtime/debug"
	"strings"
)

// program is what a built program tells of itself.
type program struct {
	info    *debug.BuildInfo
	version string // with a "v"
	sum     string // of the file, SHA-256, hexadecimal
}

// read reads a program. Without a version its own is taken, that of its main module.
func read(file, version string) (*program, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if version == "" {
		version = info.Main.Version
	}
	sum := sha256.Sum256(text)
	return &program{info, version, hex.EncodeToString(sum[:])}, nil
}

// name is the program's, such as pmtu.
func (p *program) name() string { return path.Base(p.info.Path) }

// modules are those that are linked into the program, without its own: where one
// was replaced, the replacement, as only that is in it.
func (p *program) modules() []*debug.Module {
	var all []*debug.Module
	for _, m := range p.info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		all = append(all, m)
	}
	return all
}

// goVersion is the version of Go's standard library, such as 1.26.0.
func (p *program) goVersion() string { return strings.TrimPrefix(p.info.GoVersion, "go") }

// setting is one of the build, such as GOARCH; "": it is not told.
func (p *program) setting(key string) string {
	for _, s := range p.info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
