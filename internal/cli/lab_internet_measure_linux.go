package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/internet"
	"pathmtu/probe/survey/surveyor"
	"pathmtu/results"
)

// used is what a program took.
type used struct {
	wall, cpu time.Duration
	rss       int64
	out       []byte
	errOut    string
}

// mostRun bounds a program that is measured.
const mostRun = 2 * time.Hour

// runUsed runs a program in the namespace to its end and measures it.
func runUsed(ctx context.Context, lab *internet.Lab, dir, name string, args ...string) (used, error) {
	ctx, cancel := context.WithTimeout(ctx, mostRun)
	defer cancel()
	cmd := netlab.Command(ctx, name, args...)
	cmd.Dir = dir // so that names in records are short
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	start := time.Now()
	if err := lab.Start(cmd); err != nil {
		return used{}, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var u used
	var err error
	// What wait4(2) says of memory begins with that of this process.
	for waiting := true; waiting; {
		select {
		case err = <-done:
			waiting = false
		case <-time.After(50 * time.Millisecond):
			u.rss = max(u.rss, peakRSS(cmd.Process.Pid))
		}
	}
	u.wall, u.out, u.errOut = time.Since(start), out.Bytes(), errOut.String()
	if s := cmd.ProcessState; s != nil {
		u.cpu = s.UserTime() + s.SystemTime()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitNotMeasured {
		err = nil // some targets have no verdict; the score says how many
	}
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", filepath.Base(name), err, lastLines(errOut.String()))
	}
	return u, err
}

func lastLines(s string) string {
	const most = 500
	if len(s) > most {
		s = s[len(s)-most:]
	}
	return strings.TrimSpace(s)
}

// scoreSurvey surveys the targets and compares.
func scoreSurvey(ctx context.Context, lab *internet.Lab, w *internet.World, o *scoreFlags, family int, hosts []netip.Addr, dir string) (score, error) {
	s := score{Tool: "survey", Family: family, Method: o.method}
	list := filepath.Join(dir, fmt.Sprintf("targets%d-%d.txt", family, len(hosts)))
	found := filepath.Join(dir, fmt.Sprintf("found%d-%d.jsonl", family, len(hosts)))
	if err := writeLines(list, hosts); err != nil {
		return s, err
	}
	args := []string{
		"survey", "--lab", "--method", o.method, "--rate", fmt.Sprint(o.rate), "--bandwidth", "0", "--net-rate", "0",
		"--seed", fmt.Sprint(o.seed), "--input", filepath.Base(list), "--output", filepath.Base(found),
	}
	if o.prior != "" {
		name, err := filepath.Abs(o.prior)
		if err != nil {
			return s, err
		}
		args = append(args, "--prior", name)
	}
	u, err := runUsed(ctx, lab, dir, "/proc/self/exe", args...)
	if err != nil {
		return s, err
	}
	s.Seconds, s.CPUSeconds, s.PeakRSS = u.wall.Seconds(), u.cpu.Seconds(), u.rss
	f, err := os.Open(found)
	if err != nil {
		return s, err
	}
	defer func() { _ = f.Close() }()
	seen := make(map[netip.Addr]bool, len(hosts))
	for r := results.NewReader(f); ; {
		rec, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return s, err
		}
		a, err := netip.ParseAddr(rec.Address)
		if err != nil || seen[a] {
			return s, fmt.Errorf("%s: address %q: is none, or has two results", found, rec.Address)
		}
		seen[a] = true
		h := w.Host(a)
		pmtu := 0
		if rec.PMTU != nil {
			pmtu = *rec.PMTU
		}
		s.judge(&h, pmtu, rec.Verdict)
		s.judgeVerdict(&h, rec.Verdict)
	}
	if len(seen) != len(hosts) {
		return s, fmt.Errorf("%s: %d results for %d targets", found, len(seen), len(hosts))
	}
	m, err := surveyor.ReadMeta(found + ".meta.json")
	if err != nil {
		return s, err
	}
	if m.Status != nil {
		s.Packets, s.Bytes = m.Status.Packets, m.Status.Bytes
	}
	s.finish()
	return s, nil
}

func writeLines(name string, hosts []netip.Addr) error {
	var b bytes.Buffer
	for _, a := range hosts {
		b.WriteString(a.String())
		b.WriteByte('\n')
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}

// scamperHop is a line of scamper's text output: hop, address, time and, in
// brackets, the MTU up to there, with a star where it is inferred from silence.
var scamperHop = regexp.MustCompile(`^ *\d+  (\S+)  [\d.]+ ms(?: \[\*?mtu: (\d+)\])?`)

// scoreScamper measures the targets with scamper and compares. It doesn't know
// unresponsive hosts by name: no path MTU counts as that.
func scoreScamper(ctx context.Context, lab *internet.Lab, w *internet.World, family int, hosts []netip.Addr, dir string) (score, error) {
	// scamper's UDP probes get the answers that the survey's UDP probes get.
	s := score{Tool: "scamper", Family: family, Method: "udp"}
	list := filepath.Join(dir, fmt.Sprintf("sample%d.txt", family))
	if err := writeLines(list, hosts); err != nil {
		return s, err
	}
	u, err := runUsed(ctx, lab, dir, "scamper", "-p", "10000", "-c", "trace -M -P udp-paris -w 1 -q 2", "-f", filepath.Base(list))
	if err != nil {
		return s, err
	}
	s.Seconds, s.CPUSeconds, s.PeakRSS = u.wall.Seconds(), u.cpu.Seconds(), u.rss
	traces := strings.Split(string(u.out), "traceroute from ")
	if len(traces)-1 != len(hosts) {
		return s, fmt.Errorf("scamper: %d traces of %d hosts", len(traces)-1, len(hosts))
	}
	for _, trace := range traces[1:] {
		lines := strings.Split(strings.TrimSpace(trace), "\n")
		_, dst, _ := strings.Cut(lines[0], " to ")
		a, err := netip.ParseAddr(dst)
		if err != nil {
			return s, fmt.Errorf("scamper: %q: no trace", lines[0])
		}
		pmtu := 0
		if hop := scamperHop.FindStringSubmatch(lines[len(lines)-1]); hop != nil && hop[1] == dst && hop[2] != "" {
			pmtu, _ = strconv.Atoi(hop[2])
		}
		h := w.Host(a)
		s.judge(&h, pmtu, results.Unresponsive)
	}
	s.finish()
	return s, nil
}

// scoreMemory measures a survey with a million targets in progress. They are a
// prefix, so that their list takes no memory.
func scoreMemory(ctx context.Context, lab *internet.Lab, dir string) (*memoryScore, error) {
	const active = 1_000_000
	base, err := runUsed(ctx, lab, dir, "/proc/self/exe", "survey", "--lab", "10.0.0.1")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	found := filepath.Join(dir, "memory.jsonl")
	cmd := netlab.Command(ctx, "/proc/self/exe", "survey", "--lab", "--rate", "0", "--bandwidth", "0", "--net-rate", "0",
		"--window", strconv.Itoa(1<<21), "--gap", "30s", "--timeout", "30s", "--cooldown", "30s", "--output", found, "10.0.0.0/11")
	if err := lab.Start(cmd); err != nil {
		return nil, err
	}
	m := &memoryScore{BaseRSS: base.rss}
	for ctx.Err() == nil && m.Active < active {
		time.Sleep(time.Second)
		if c, err := surveyor.ReadCheckpoint(found + ".checkpoint"); err == nil {
			m.Active = c.Before.Active
		}
		if cmd.Process.Signal(syscall.Signal(0)) != nil {
			break
		}
	}
	m.PeakRSS = peakRSS(cmd.Process.Pid)
	cancel() // interrupts
	_ = cmd.Wait()
	if m.Active < active {
		return nil, fmt.Errorf("memory: only %d targets were in progress", m.Active)
	}
	m.PerActive = float64(m.PeakRSS-m.BaseRSS) / float64(m.Active)
	return m, nil
}

// rateTargets are as many as a tool sends one small packet to, for its rate.
const rateTargets = "10.0.0.0/13"

// scoreRates measures how fast the survey and zmap send one small packet to each
// of many targets.
func scoreRates(ctx context.Context, lab *internet.Lab, dir string) ([]rateScore, error) {
	const n = 1 << 19
	found := filepath.Join(dir, "rate.jsonl")
	// The attribution makes the first small packet as large as the largest size
	// to try: a survey is one packet to each target then, as an ICMP scan is.
	u, err := runUsed(ctx, lab, dir, "/proc/self/exe", "survey", "--lab", "--rate", "0", "--bandwidth", "0", "--net-rate", "0", "--max", "68", "--attribution", "https://example.net/probing",
		"--tries", "1", "--timeout", "500ms", "--cooldown", "500ms", "--window", strconv.Itoa(1<<20), "--output", found, rateTargets)
	if err != nil {
		return nil, err
	}
	m, err := surveyor.ReadMeta(found + ".meta.json")
	if err != nil {
		return nil, err
	}
	all := []rateScore{newRate("survey", m.Status.Packets, u)}
	if _, err := exec.LookPath("zmap"); err != nil {
		return all, nil
	}
	none := filepath.Join(dir, "none")
	if err := os.WriteFile(none, []byte("255.255.255.255/32\n"), 0o600); err != nil {
		return nil, err
	}
	u, err = runUsed(ctx, lab, dir, "zmap", "-M", "icmp_echoscan", "-i", internet.Device, "-S", internet.Source4.String(), "-G", internet.GatewayMAC().String(),
		"-r", "0", "-B", "0", "-c", "1", "-b", none, "-o", "/dev/null", "-q", rateTargets)
	if err != nil {
		return nil, err
	}
	return append(all, newRate("zmap", n, u)), nil
}

// newRate leaves out the half second and the second that the tools wait for
// answers in the end.
func newRate(tool string, packets uint64, u used) rateScore {
	wait := 500 * time.Millisecond
	if tool == "zmap" {
		wait = time.Second
	}
	return rateScore{Tool: tool, Packets: packets, PerSecond: float64(packets) / (u.wall - wait).Seconds(), PerCPU: float64(packets) / u.cpu.Seconds()}
}

// peakRSS returns the most memory that a process held so far; 0: not known.
func peakRSS(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}
