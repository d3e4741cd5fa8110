package cli

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"

	"github.com/spf13/cobra"

	"pathmtu/internal/netlab/internet"
	"pathmtu/results"
)

// scoreFlags are the flags of "pmtu lab internet score".
type scoreFlags struct {
	number   int
	method   string
	rate     float64
	sample   int
	memory   bool
	rates    bool
	out      string
	prior    string
	seed     uint64
	families []int
}

func newInternetScoreCommand(o *internetFlags) *cobra.Command {
	var s scoreFlags
	var v4, v6 bool
	cmd := &cobra.Command{
		Use:   "score",
		Short: "Survey the simulated Internet and compare with the truth",
		Long: `Score runs "pmtu survey" on simulated hosts of each family and counts how many of its
results are right: exactly the largest packet that the host answers, or "unresponsive"
for an address of nobody. Verdicts are judged too: "ok-silent" where the narrowest place
says nothing, even if one before it does. On a sample of the same hosts it runs
scamper's "trace -M" beside, and zmap's ICMP scan for the rate of probes, if they are
installed.

It fails if a path MTU is above the truth, or if less than 99 % of the sizes, or of the
verdicts, are right.`,
		Example: "  pmtu lab internet score -n 1000 --sample 0\n  pmtu lab internet score -4 --method udp --out score",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.families = families(v4, v6)
			if s.number < 1 || s.number > internet.MostTargets {
				return usagef("--number %d: want 1 to %d", s.number, internet.MostTargets)
			}
			if !slices.Contains(surveyMethods, s.method) {
				return usagef("--method %q: want icmp, udp, quic or dns", s.method)
			}
			w, err := o.world()
			if err != nil {
				return err
			}
			return withLab(cmd, func(ctx context.Context) error { return runScore(ctx, cmd, w, &s) })
		},
	}
	f := cmd.Flags()
	f.IntVarP(&s.number, "number", "n", 10000, "hosts of each family")
	f.BoolVarP(&v4, "ipv4", "4", false, "IPv4 only")
	f.BoolVarP(&v6, "ipv6", "6", false, "IPv6 only")
	f.StringVar(&s.method, "method", "icmp", "of the survey")
	f.Float64Var(&s.rate, "rate", 20000, "packets a second")
	f.IntVar(&s.sample, "sample", 100, "hosts of each family that scamper measures too (0: none)")
	f.BoolVar(&s.memory, "memory", false, "also measure the memory of a million targets in progress")
	f.BoolVar(&s.rates, "rates", false, "also measure how fast small probes are sent")
	f.StringVar(&s.out, "out", "", "folder for the score, its manifest and the records")
	f.StringVar(&s.prior, "prior", "", "prior for the survey")
	f.Uint64Var(&s.seed, "order", 1, "seed of the survey's order")
	return cmd
}

// score is how a tool did on the hosts of one family.
type score struct {
	Tool    string `json:"tool"`
	Family  int    `json:"family"`
	Method  string `json:"method"`
	Targets int    `json:"targets"`
	// Right: exactly the largest packet that the host answers; unresponsive, if
	// it answers none.
	Right       int     `json:"right"`
	RightShare  float64 `json:"right_share"`
	Above       int     `json:"above_truth"`
	Below       int     `json:"below_truth"`
	NotFound    int     `json:"not_found"` // answers, but no path MTU was reported
	Invented    int     `json:"invented"`  // answers nothing, but a path MTU was reported
	Reachable   int     `json:"reachable"` // of the targets: answers at all
	RightOfThem int     `json:"right_of_reachable"`
	// VerdictRight is how many verdicts are those that the truth asks for; nil for
	// a tool that gives none.
	VerdictRight *int `json:"verdict_right,omitempty"`

	Packets       uint64  `json:"packets,omitempty"`
	Bytes         uint64  `json:"bytes,omitempty"`
	PerTarget     float64 `json:"packets_per_target,omitempty"`
	BytesEach     float64 `json:"bytes_per_target,omitempty"`
	Seconds       float64 `json:"seconds"`
	CPUSeconds    float64 `json:"cpu_seconds"`
	PerCPUSecond  float64 `json:"targets_per_cpu_second"`
	PacketsPerSec float64 `json:"packets_per_second,omitempty"`
	PeakRSS       int64   `json:"peak_rss_bytes"`
}

// judgeVerdict compares one verdict with the truth.
func (s *score) judgeVerdict(h *internet.Host, verdict results.Verdict) {
	if s.VerdictRight == nil {
		s.VerdictRight = new(int)
	}
	if verdict == h.Verdict(s.Method) {
		*s.VerdictRight++
	}
}

// enough says whether a survey did well enough: nothing above the truth, nothing
// invented, and hardly anything wrong.
func (s *score) enough() bool {
	return s.Above == 0 && s.Invented == 0 && s.RightShare >= rightEnough &&
		(s.VerdictRight == nil || float64(*s.VerdictRight) >= rightEnough*float64(s.Targets))
}

// judge compares one result with the truth. pmtu 0: none was reported.
func (s *score) judge(h *internet.Host, pmtu int, verdict results.Verdict) {
	s.Targets++
	want := h.Visible(s.Method)
	right := pmtu == want
	if want == 0 {
		right = pmtu == 0 && (verdict == results.Unresponsive || verdict == results.NoVerdict)
	} else {
		s.Reachable++
		if right {
			s.RightOfThem++
		}
	}
	switch {
	case right:
		s.Right++
	case want == 0 && pmtu != 0:
		s.Invented++
	case pmtu == 0:
		s.NotFound++
	case pmtu < want:
		s.Below++
	}
	if pmtu > h.MTU {
		s.Above++
	}
}

func (s *score) finish() {
	n := float64(max(s.Targets, 1))
	s.RightShare = float64(s.Right) / n
	if s.Packets != 0 {
		s.PerTarget, s.BytesEach = float64(s.Packets)/n, float64(s.Bytes)/n
		s.PacketsPerSec = float64(s.Packets) / s.Seconds
	}
	if s.CPUSeconds > 0 {
		s.PerCPUSecond = n / s.CPUSeconds
	}
}

func (s *score) String() string {
	t := fmt.Sprintf("%-8s IPv%d %-5s %8d targets  right %7.3f %%  above truth %d  below %d  missed %d",
		s.Tool, s.Family, s.Method, s.Targets, 100*s.RightShare, s.Above, s.Below, s.NotFound)
	if s.VerdictRight != nil {
		t += fmt.Sprintf("  verdicts right %.3f %%", 100*float64(*s.VerdictRight)/float64(max(s.Targets, 1)))
	}
	if s.Packets != 0 {
		t += fmt.Sprintf("  %.2f packets and %.0f bytes each", s.PerTarget, s.BytesEach)
	}
	return t + fmt.Sprintf("  %.1f s  %.0f targets per CPU second  peak %d MiB", s.Seconds, s.PerCPUSecond, s.PeakRSS>>20)
}

// scoreReport is all that "score" finds.
type scoreReport struct {
	Scores   []score         `json:"scores"`
	Ratio    map[int]float64 `json:"targets_per_cpu_second_ratio"` // survey to scamper, on the same hosts, by family
	Memory   *memoryScore    `json:"memory,omitempty"`
	Rates    []rateScore     `json:"probes_per_second,omitempty"`
	Internet internet.Config `json:"internet"`
	Use      internet.Usage  `json:"simulation"`
}

// memoryScore is the memory of a survey with many targets in progress.
type memoryScore struct {
	Active    int     `json:"active_targets"`
	PeakRSS   int64   `json:"peak_rss_bytes"`
	BaseRSS   int64   `json:"base_rss_bytes"` // of a survey of one target
	PerActive float64 `json:"bytes_per_active_target"`
}

// rateScore is how fast a tool sends.
type rateScore struct {
	Tool      string  `json:"tool"`
	Packets   uint64  `json:"packets"`
	PerSecond float64 `json:"packets_per_second"`
	PerCPU    float64 `json:"packets_per_cpu_second"`
}

// hostsOf returns the targets of a family.
func hostsOf(w *internet.World, family, n int) ([]netip.Addr, error) {
	seq, err := internet.Targets(w.Config().Seed, family, n)
	if err != nil {
		return nil, err
	}
	out := make([]netip.Addr, 0, n)
	for a := range seq {
		out = append(out, a)
	}
	return out, nil
}

// scoreManifest says how a score came about.
type scoreManifest struct {
	Tool    string   `json:"tool"`
	Commit  string   `json:"commit,omitempty"` // of the sources in the current folder, if they are under git
	Args    []string `json:"args"`
	Time    string   `json:"time"`
	Go      string   `json:"go"`
	CPUs    int      `json:"cpus"`
	Kernel  string   `json:"kernel"`
	CPU     string   `json:"cpu"`
	Scamper string   `json:"scamper,omitempty"`
	Zmap    string   `json:"zmap,omitempty"`
	Load    string   `json:"load_average"`
	Files   []string `json:"files"`
}

func goVersion() string { return runtime.Version() }
