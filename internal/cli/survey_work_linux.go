package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pathmtu/internal/rawsock"
	"pathmtu/probe/survey"
	"pathmtu/probe/survey/fleet"
	"pathmtu/probe/survey/surveyor"
	"pathmtu/results"
)

// workFlags are the flags of "pmtu survey work".
type workFlags struct {
	surveyFlags
	fleetFlags
	worker string
	idle   time.Duration
}

func newSurveyWorkCommand() *cobra.Command {
	var o workFlags
	cmd := &cobra.Command{
		Use:   "work --server URL",
		Short: "Measure what \"pmtu survey serve\" hands out",
		Long: `Work leases shards of surveys, measures their targets from this machine and hands in the
results, until it is interrupted. It can be killed at any moment: its shard goes to
another worker of the same vantage. It only dials out.

What is measured, how and for whom is decided where the survey is served. --rate and
--bandwidth bound what this machine sends whatever is decided there.

Exit codes: 0 it was interrupted or --idle, 2 wrong use, 3 CAP_NET_RAW is missing.`,
		Example: `  pmtu survey work --server tls://survey.example.net:4222 --token-file token --vantage ams`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runWork(cmd, &o) },
	}
	f := cmd.Flags()
	o.add(f)
	f.StringVar(&o.vantage, "vantage", vantageName(hostname()), "name of the place that is measured from: letters, digits, - and _")
	f.StringVar(&o.worker, "worker", "", "name of this worker (default: the host's name, the process's number, and a random one)")
	f.StringVar(&o.device, "interface", "", "interface that packets must leave by")
	f.StringSliceVar(&o.source, "source", nil, "source address, one for each family")
	f.Float64Var(&o.rate, "rate", 0, "packets a second at most (0: as served)")
	f.StringVar(&o.bandwidth, "bandwidth", "0", "bits a second at most, with K, M or G (0: as served)")
	f.DurationVar(&o.idle, "idle", 0, "end when there was no work for so long (0: never)")
	f.BoolVar(&o.lab, "lab", false, "take surveys of special-purpose addresses; only in a network namespace of its own")
	return cmd
}

// vantageName makes a name of a vantage or worker.
func vantageName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' {
			return r
		}
		return '-'
	}, s)
	return s[:min(len(s), 20)]
}

func runWork(cmd *cobra.Command, o *workFlags) error {
	bits, err := parseBits(o.bandwidth)
	if err != nil {
		return usagef("--bandwidth %q: want bits a second, such as 500K or 10M", o.bandwidth)
	}
	if o.rate < 0 {
		return usagef("--rate %v: want 0 or more packets a second", o.rate)
	}
	if o.lab {
		if err := checkLab(); err != nil {
			return err
		}
	}
	if o.worker == "" {
		o.worker = fmt.Sprintf("%s-%d-%06x", vantageName(hostname()), os.Getpid(), rand.Uint32N(1<<24))
	}
	m := &placeMeasurer{o, cmd}
	r, err := m.open()
	if err != nil {
		return err
	}
	r.close()
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	o.Join = true
	b, err := o.connect(ctx, cmd, o.worker)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer b.Disconnect()
	tell := teller(cmd.ErrOrStderr())
	tell("worker %s at vantage %s", o.worker, o.vantage)
	err = fleet.Work(ctx, fleet.WorkerConfig{
		Backend: b, Measurer: m, Tool: toolVersion(), ID: o.worker, Vantage: o.vantage,
		Host: hostname(), PID: os.Getpid(), Lab: o.lab, Idle: o.idle,
		Most: survey.Rates{Packets: o.rate, Bits: bits}, Log: tell,
	})
	var bad *fleet.PlanError
	if errors.As(err, &bad) {
		return usageError{err}
	}
	return err
}

// placeMeasurer measures from this machine.
type placeMeasurer struct {
	*workFlags
	cmd *cobra.Command
}

// open finds the links as they are now, and opens sockets on them.
func (m *placeMeasurer) open() (*surveyRun, error) {
	r := &surveyRun{surveyFlags: &m.surveyFlags, cmd: m.cmd}
	r.meta.Plan.V4, r.meta.Plan.V6 = true, true
	r.cfg.Methods = []survey.Kind{survey.ICMP, survey.UDP}
	r.links = [2]rawsock.Link{}
	r.cfg.Link4, r.cfg.Link6 = 0, 0
	return r, r.open()
}

// Measure implements fleet.Measurer.
func (m *placeMeasurer) Measure(ctx context.Context, t fleet.Task, each func(*results.Record) error) error {
	r, err := m.open()
	if err != nil {
		return err
	}
	defer r.close()
	t.Config.Link4, t.Config.Link6 = r.cfg.Link4, r.cfg.Link6
	_, err = surveyor.Run(ctx, surveyor.Options{
		Survey:  t.Config,
		Batches: surveyor.NewBatches(t.Targets, nil, survey.Selection{Lab: t.Lab && m.lab}, survey.MostEntries),
		Conn:    r.conn,
		Sink:    recordSink(each),
		Permit:  t.Permit,
		Record: func(rec *results.Record) {
			link := &r.links[1]
			if rec.Family == 4 {
				link = &r.links[0]
			}
			rec.Vantage = results.Vantage{Interface: link.Name, MTU: link.MTU, Source: sourceOf(link)}
			rec.Methods[0].Flow = rec.Vantage.Source + " > " + rec.Address
		},
	})
	return err
}

// recordSink is a surveyor.Sink that hands each record on.
type recordSink func(*results.Record) error

func (s recordSink) Write(r *results.Record) error { return s(r) }
func (recordSink) Sync() (int64, error)            { return -1, nil }
func (recordSink) Close() error                    { return nil }
