package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"text/tabwriter"
	"time"
)

// row is what one transfer showed. Sizes are of IP packets, in bytes; times in
// seconds.
type row struct {
	Stack     string  `json:"stack"`
	Family    int     `json:"family"`
	PathMTU   int     `json:"path_mtu"`
	PTB       string  `json:"ptb"`
	ShrinkTo  int     `json:"shrink_to,omitempty"`
	Bytes     int     `json:"bytes"`
	Completed bool    `json:"completed"`
	Error     string  `json:"error,omitempty"`
	Seconds   float64 `json:"seconds"`
	First     int     `json:"first"`    // the sender's first packet
	Final     int     `json:"final"`    // largest packet that arrived, before the path shrank
	FinalAt   float64 `json:"final_at"` // when it did, after the first packet
	Probes    []probe `json:"probes"`
	TooBig    int     `json:"too_big,omitempty"`  // packets sent that the smaller path does not carry
	Recovery  float64 `json:"recovery,omitempty"` // from the shrinking until data arrived; 0: none did
	After     int     `json:"after,omitempty"`    // largest packet that arrived then
	Missed    int     `json:"missed"`             // packets that the observer missed
}

// lost counts the probes that did not arrive.
func (r row) lost() int {
	n := 0
	for _, p := range r.Probes {
		if !p.Arrived {
			n++
		}
	}
	return n
}

func (r row) outcome() string {
	if r.Completed {
		return "completed"
	}
	return "failed"
}

func (r row) brief() string {
	if r.Error != "" {
		return "failed: " + r.Error
	}
	return fmt.Sprintf("%d bytes after %.2f s, %d probes", r.Final, r.FinalAt, len(r.Probes))
}

// table lays the rows out, one line each.
func table(rows []row) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "IP\tpath MTU\tPTB\tstack\tfinal\tafter s\tprobes\tlost\tthen\ttoo big\trecovery s\tsize\ttransfer\t")
	for _, r := range rows {
		then := "\t\t\t"
		if r.ShrinkTo != 0 {
			then = fmt.Sprintf("%d\t%d\tnone\t", r.ShrinkTo, r.TooBig)
			if r.Recovery > 0 {
				then = fmt.Sprintf("%d\t%d\t%.2f\t%d", r.ShrinkTo, r.TooBig, r.Recovery, r.After)
			}
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%d\t%.2f\t%d\t%d\t%s\t%s\t\n",
			r.Family, r.PathMTU, r.PTB, r.Stack, r.Final, r.FinalAt, len(r.Probes), r.lost(), then, r.outcome())
	}
	w.Flush()
	return b.String()
}

// manifest says how a run came about.
type manifest struct {
	Command  []string          `json:"command"`
	Time     string            `json:"time"`
	Seconds  float64           `json:"seconds"`
	OneWay   string            `json:"one_way_delay"`
	Go       string            `json:"go"`
	System   string            `json:"system"`
	CPUs     int               `json:"cpus"`
	Versions map[string]string `json:"versions"`
	Missing  []string          `json:"missing"` // stacks that are not installed
	Commit   string            `json:"commit"`
	Changed  bool              `json:"changed"` // Go files differ from the commit
	Files    []string          `json:"files"`
	began    time.Time
}

func newManifest(missing []string) *manifest {
	m := &manifest{
		Command: append([]string{"sidebyside"}, os.Args[1:]...), began: time.Now(), OneWay: oneWay.String(),
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(),
		Versions: map[string]string{}, Missing: missing,
	}
	m.Time = m.began.UTC().Format(time.RFC3339)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "github.com/quic-go/quic-go" {
				m.Versions["quic-go"] = d.Version
			}
		}
	}
	if out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "ngtcp2-server").Output(); err == nil {
		m.Versions["ngtcp2"] = string(out)
	}
	if commit, err := exec.Command("git", "rev-parse", "HEAD").Output(); err == nil {
		m.Commit = strings.TrimSpace(string(commit))
		status, err := exec.Command("git", "status", "--porcelain", "--", "*.go", "go.mod").Output()
		m.Changed = err != nil || len(status) > 0
	}
	return m
}

func (m *manifest) finish() { m.Seconds = time.Since(m.began).Seconds() }

// record writes the rows, the table and the manifest.
func record(dir string, rows []row, m *manifest) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var lines strings.Builder
	for _, r := range rows {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		lines.Write(append(line, '\n'))
	}
	m.Files = []string{"table.txt", "rows.jsonl"}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	for name, content := range map[string]string{"table.txt": table(rows), "rows.jsonl": lines.String(), "manifest.json": string(text) + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
