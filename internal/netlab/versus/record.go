package versus

import (
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Manifest says how a run came about.
type Manifest struct {
	Command  []string            `json:"command"`
	Time     string              `json:"time"`
	Seconds  float64             `json:"seconds"`
	Jobs     int                 `json:"jobs"`
	Rows     int                 `json:"rows"`
	Tools    map[string][]string `json:"tools"`    // the program and its arguments, for a target TARGET
	Versions map[string]string   `json:"versions"` // of Debian's packages
	// StartMS is how long a program takes to start and to say its version, median of
	// five times: as much of each run is not spent on the network.
	StartMS map[string]float64 `json:"start_ms"`
	Go      string             `json:"go"`
	System  string             `json:"system"`
	Kernel  string             `json:"kernel"`
	CPUs    int                `json:"cpus"`
	Commit  string             `json:"commit"`
	Changed bool               `json:"changed"` // Go files differ from the commit
	// Backlog is how many packets the kernel dropped meanwhile because too many
	// came at once, in all networks.
	Backlog uint64   `json:"backlog_drops"`
	Files   []string `json:"files"`
}

// NewManifest fills in what is known before the run.
func NewManifest(command []string, tools []Tool, jobs int) Manifest {
	m := Manifest{
		Command: command, Time: time.Now().UTC().Format(time.RFC3339), Jobs: jobs, Tools: map[string][]string{}, Versions: map[string]string{}, StartMS: map[string]float64{},
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(),
	}
	for _, t := range tools {
		args := t.Args(placeholder)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], placeholder.String(), "TARGET")
		}
		m.Tools[t.Name] = append([]string{filepath.Base(t.Needs)}, args...)
		m.StartMS[t.Name] = start(t)
		if !t.Ours {
			m.Versions[t.Name] = output("dpkg-query", "-W", "-f", "${Version}", packages[t.Name])
		}
	}
	m.Kernel = output("uname", "-r")
	m.Commit = output("git", "rev-parse", "HEAD")
	m.Changed = output("git", "status", "--porcelain", "--", "*.go", "go.mod") != ""
	return m
}

// start measures how long a program takes to say its version. Nothing is sent.
func start(t Tool) float64 {
	var ms []float64
	for range 5 {
		begin := time.Now()
		_ = exec.Command(t.Needs, t.Version).Run() // what it exits with doesn't matter
		ms = append(ms, 1000*time.Since(begin).Seconds())
	}
	return middle(ms)
}

// placeholder stands for the target in a manifest.
var placeholder = netip.MustParseAddr("192.0.2.1")

// packages are Debian's, by the name of the tool.
var packages = map[string]string{"scamper": "scamper", "tracepath": "iputils-tracepath", "nmap": "nmap"}

func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// Record writes rows, table and manifest into a folder, which is made.
func Record(dir string, rows []Row, tools []Tool, m Manifest) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	m.Rows = len(rows)
	return errors.Join(
		m.create(dir, "table.txt", func(w io.Writer) error { return WriteTable(w, rows, tools) }),
		m.create(dir, "rows.jsonl", func(w io.Writer) error {
			e := json.NewEncoder(w)
			for _, r := range rows {
				if err := e.Encode(r); err != nil {
					return err
				}
			}
			return nil
		}),
		m.create(dir, "manifest.json", func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", "  ")
			return e.Encode(m)
		}),
	)
}

func (m *Manifest) create(dir, name string, write func(io.Writer) error) error {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	m.Files = append(m.Files, name)
	return errors.Join(write(f), f.Close())
}
