package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab/internet"
)

// rightEnough is the share of right results below which a score fails.
const rightEnough = 0.99

// runScore measures, prints and records.
func runScore(ctx context.Context, cmd *cobra.Command, w *internet.World, o *scoreFlags) (err error) {
	dir, err := os.MkdirTemp("", "pmtu-score-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	lab, err := internet.Build(ctx, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	rep := scoreReport{Internet: w.Config(), Ratio: map[int]float64{}}
	var said strings.Builder
	out := io.MultiWriter(cmd.OutOrStdout(), &said)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	wrong := false
	for _, family := range o.families {
		hosts, err := hostsOf(w, family, o.number)
		if err != nil {
			return err
		}
		s, err := scoreSurvey(ctx, lab, w, o, family, hosts, dir)
		if err != nil {
			return err
		}
		say("%s", s.String())
		rep.Scores = append(rep.Scores, s)
		wrong = wrong || !s.enough()
		if _, err := exec.LookPath("scamper"); err != nil || o.sample == 0 {
			continue
		}
		sample := hosts[:min(o.sample, len(hosts))]
		t, err := scoreScamper(ctx, lab, w, family, sample, dir)
		if err != nil {
			return err
		}
		say("%s", t.String())
		rep.Scores = append(rep.Scores, t)
		rep.Ratio[family] = s.PerCPUSecond / t.PerCPUSecond
		say("         IPv%d: the survey measures %.0f times as many targets in a CPU second", family, rep.Ratio[family])
	}
	if o.memory {
		if rep.Memory, err = scoreMemory(ctx, lab, dir); err != nil {
			return err
		}
		m := rep.Memory
		say("memory: %d targets in progress: %d MiB at most, %d MiB more than with one target, %.0f bytes each",
			m.Active, m.PeakRSS>>20, (m.PeakRSS-m.BaseRSS)>>20, m.PerActive)
	}
	if o.rates {
		if rep.Rates, err = scoreRates(ctx, lab, dir); err != nil {
			return err
		}
		for _, r := range rep.Rates {
			say("%-8s %d small probes: %.0f a second, %.0f a CPU second", r.Tool, r.Packets, r.PerSecond, r.PerCPU)
		}
	}
	rep.Use = lab.Usage()
	if o.out != "" {
		if err := writeScore(o, &rep, said.String(), dir); err != nil {
			return err
		}
	}
	if wrong {
		return &labError{exitNotMeasured, fmt.Errorf("a path MTU is above the truth, or less than %.0f %% is right", 100*rightEnough)}
	}
	return nil
}

// writeScore records a score: numbers, how they came about, and the records of
// each run.
func writeScore(o *scoreFlags, rep *scoreReport, text, dir string) error {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	m := scoreManifest{
		Tool: toolVersion(), Args: os.Args[1:], Time: time.Now().UTC().Format(time.RFC3339), Go: goVersion(),
		CPUs: onlineCPUs(), Kernel: kernelName(), CPU: cpuModel(), Load: loadAverage(), Files: []string{"score.json", "score.txt"},
	}
	if err := os.WriteFile(filepath.Join(o.out, "score.txt"), []byte(text), 0o644); err != nil {
		return err
	}
	if out, err := exec.Command("git", "rev-parse", "HEAD").Output(); err == nil {
		m.Commit = firstLine(string(out))
	}
	if out, _ := exec.Command("scamper", "-v").CombinedOutput(); len(out) > 0 { // it exits with an error
		m.Scamper = firstLine(string(out))
	}
	if out, err := exec.Command("zmap", "--version").CombinedOutput(); err == nil {
		m.Zmap = firstLine(string(out))
	}
	metas, err := filepath.Glob(filepath.Join(dir, "found*.meta.json"))
	if err != nil {
		return err
	}
	for _, name := range metas {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		base := strings.TrimSuffix(filepath.Base(name), ".jsonl.meta.json") + ".meta.json"
		if err := os.WriteFile(filepath.Join(o.out, base), b, 0o644); err != nil {
			return err
		}
		m.Files = append(m.Files, base)
	}
	for name, v := range map[string]any{"score.json": rep, "manifest.json": m} {
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(o.out, name), append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return strings.TrimSpace(s)
}

func kernelName() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

func loadAverage() string {
	b, _ := os.ReadFile("/proc/loadavg")
	return firstLine(string(b))
}

func onlineCPUs() int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return 0
	}
	return set.Count()
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
