package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pathmtu/probe/survey"
	"pathmtu/probe/survey/surveyor"
)

// surveyFlags are the flags of "pmtu survey" as they were given.
type surveyFlags struct {
	inputs, allow, block []string
	origins, prior       string
	v4, v6               bool

	methods     []string
	cfg         survey.Config
	port        int
	attribution string
	anonymous   bool
	lab         bool

	rate, netRate, asRate                float64
	bandwidth, netBandwidth, asBandwidth string

	seed       uint64
	seedGiven  bool
	shard      string
	batch      int
	output     string
	checkpoint string
	metadata   string
	resume     bool
	device     string
	source     []string
	vantage    string
	metrics    string
}

// defaultBatch is how many lines of targets are held at once.
const defaultBatch = 1 << 22

func newSurveyCommand() *cobra.Command {
	var o surveyFlags
	cmd := &cobra.Command{
		Use:   "survey [TARGETS...]",
		Short: "Measure the path MTU to very many hosts",
		Long: `Survey measures the path MTU to every address of TARGETS (addresses, prefixes such as
192.0.2.0/24) and of the files of --input, one record for each: slowly to each host
and network, in an order that spreads neighbours. Nothing that --blocklist names is
probed, and no special-purpose address.

With --output it can be interrupted, or killed, at any moment: --resume goes on. What
is needed to run it again is written beside the results.

Read docs/surveying.md before you measure hosts of others. --attribution names you to
them in each packet (RFC 9511).

Exit codes: 0 every target has a verdict, 1 some has none or the survey was interrupted,
2 wrong use, 3 CAP_NET_RAW is missing ("pmtu probe --method udp" does without).`,
		Example: `  pmtu survey --attribution https://example.net/probing --input hitlist.txt --output run1.jsonl
  pmtu survey --attribution mailto:noc@example.net --rate 100 198.51.100.0/24 > run.jsonl`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.seedGiven = cmd.Flags().Changed("seed")
			return runSurvey(cmd, &o, args)
		},
	}
	f := cmd.Flags()
	o.addPlan(f)
	f.StringVar(&o.shard, "shard", "0/1", "measure part I of N: I/N, with the same --seed for all")
	f.IntVar(&o.batch, "batch", defaultBatch, "lines of targets that are held, and merged, at once")
	f.StringVarP(&o.output, "output", "o", "-", "file of results; - for standard output, without --resume")
	f.StringVar(&o.checkpoint, "checkpoint", "", "file that says how far it is (default: the output's name and .checkpoint)")
	f.StringVar(&o.metadata, "metadata", "", "file with the record of the run (default: the output's name and .meta.json)")
	f.BoolVar(&o.resume, "resume", false, "go on from the checkpoint")
	f.StringVar(&o.device, "interface", "", "interface that packets must leave by")
	f.StringSliceVar(&o.source, "source", nil, "source address, one for each family")
	f.StringVar(&o.vantage, "vantage", hostname(), "name of the place that is measured from")
	f.StringVar(&o.metrics, "metrics", "", "address to serve Prometheus metrics at, such as localhost:9100")
	cmd.AddCommand(newSurveyServeCommand(), newSurveyWorkCommand(), newSurveyStatusCommand(), newSurveyCancelCommand())
	return cmd
}

// addPlan adds what decides which targets are measured, and how.
func (o *surveyFlags) addPlan(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.inputs, "input", "i", nil, "file with a target a line, - for standard input; may be repeated")
	f.StringArrayVar(&o.allow, "allowlist", nil, "file with the only addresses and prefixes that may be probed, in zmap's format")
	f.StringArrayVar(&o.block, "blocklist", nil, "file with addresses and prefixes that must not be probed, in zmap's format")
	f.BoolVarP(&o.v4, "ipv4", "4", false, "IPv4 targets only")
	f.BoolVarP(&o.v6, "ipv6", "6", false, "IPv6 targets only")
	f.StringSliceVar(&o.methods, "method", []string{"icmp"}, "icmp, udp, quic, dns: tried one after the other until one is answered")
	f.IntVar(&o.port, "port", survey.DefaultPort, "port of the method udp, which should be closed")
	f.IntVar(&o.cfg.Max, "max", 0, "largest size to try, bytes of IP packet (0: what the first hop carries)")
	f.StringVar(&o.attribution, "attribution", "", "URI put into each probe that says who measures and why (https, mailto or tel; RFC 9511)")
	f.BoolVar(&o.anonymous, "no-attribution", false, "measure without one")
	f.Float64Var(&o.rate, "rate", survey.DefaultPackets, "packets a second (0: no bound)")
	f.StringVar(&o.bandwidth, "bandwidth", "10M", "bits a second, with K, M or G (0: no bound)")
	f.Float64Var(&o.netRate, "net-rate", survey.DefaultNet, "packets a second to one /24 or /48 (0: no bound)")
	f.StringVar(&o.netBandwidth, "net-bandwidth", "0", "bits a second to one /24 or /48")
	f.Float64Var(&o.asRate, "as-rate", 0, "packets a second to one AS; needs --origins")
	f.StringVar(&o.asBandwidth, "as-bandwidth", "0", "bits a second to one AS; needs --origins")
	f.StringVar(&o.origins, "origins", "", "file with a prefix and its AS a line")
	f.StringVar(&o.prior, "prior", "", "file with the path MTUs to expect, as \"pmtu report --prior\" writes it")
	f.IntVar(&o.cfg.Tries, "tries", survey.DefaultTries, "small packets before a host counts as unresponsive, 1 to 10")
	f.IntVar(&o.cfg.Fails, "fails", survey.DefaultFails, "losses of a size before it counts as too large, 1 to 10")
	f.IntVar(&o.cfg.Budget, "budget", survey.DefaultBudget, "packets to one host, 10 to 250")
	f.DurationVar(&o.cfg.Timeout, "timeout", survey.DefaultTimeout, "longest wait for an answer")
	f.DurationVar(&o.cfg.Cooldown, "cooldown", survey.DefaultCooldown, "longest wait for the answer to the last packet")
	f.DurationVar(&o.cfg.Gap, "gap", 0, "least time between two packets to a host (0: 200ms; udp to IPv4: 1.05s)")
	f.IntVar(&o.cfg.Window, "window", survey.DefaultWindow, "hosts that are measured at the same time")
	f.Uint64Var(&o.seed, "seed", 0, "of the order (default: drawn anew)")
	f.BoolVar(&o.lab, "lab", false, "allow special-purpose addresses; only in a network namespace of its own")
}

// surveyFiles are the files beside the results.
func (o *surveyFlags) files() {
	if o.output == "-" {
		return
	}
	if o.checkpoint == "" {
		o.checkpoint = o.output + ".checkpoint"
	}
	if o.metadata == "" {
		o.metadata = o.output + ".meta.json"
	}
}

// surveySink opens the results, new ones or those of before.
func surveySink(cmd *cobra.Command, o *surveyFlags, from *surveyor.Checkpoint) (surveyor.Sink, error) {
	switch {
	case o.output == "-":
		return surveyor.NewStreamSink(cmd.OutOrStdout()), nil
	case from != nil:
		return surveyor.ResumeLinesFile(o.output, from.Offset)
	}
	return surveyor.NewLinesFile(o.output)
}
