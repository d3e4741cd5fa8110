package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"pathmtu/internal/pathsim/compare"
)

// manifest says how a run came about.
type manifest struct {
	Command []string      `json:"command"`
	Time    string        `json:"time"`
	Scale   compare.Scale `json:"scale"` // with the seed
	Quick   bool          `json:"quick"`
	Go      string        `json:"go"`
	System  string        `json:"system"`
	CPU     string        `json:"cpu"`
	CPUs    int           `json:"cpus"`
	Commit  string        `json:"commit"`  // "" if unknown
	Changed bool          `json:"changed"` // Go files differ from the commit
	Files   []string      `json:"files"`
}

func newManifest(scale compare.Scale, quick bool, now time.Time) manifest {
	m := manifest{
		Command: append([]string{"sim"}, os.Args[1:]...),
		Time:    now.UTC().Format(time.RFC3339), Scale: scale, Quick: quick,
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, CPU: cpuName(), CPUs: runtime.NumCPU(),
	}
	if commit, err := exec.Command("git", "rev-parse", "HEAD").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(commit))
		status, err := exec.Command("git", "status", "--porcelain", "--", "*.go", "go.mod").Output()
		m.Changed = err != nil || len(status) > 0
	}
	return m
}

// cpuName is the processor's name, or "" where the system doesn't tell.
func cpuName() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// record writes the tables, as text in one file and as CSV in one each, and
// the manifest.
func record(dir string, tables []*compare.Table, m manifest) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	create := func(name string, write func(io.Writer) error) error {
		m.Files = append(m.Files, name)
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	if err := create("tables.txt", func(w io.Writer) error { return writeText(w, tables) }); err != nil {
		return err
	}
	for _, t := range tables {
		if err := create(t.Name+".csv", t.WriteCSV); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), append(text, '\n'), 0o644)
}
