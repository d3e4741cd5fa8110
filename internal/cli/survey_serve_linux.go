package cli

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pathmtu/probe/survey"
	"pathmtu/probe/survey/fleet"
	"pathmtu/probe/survey/fleet/natsfleet"
	"pathmtu/probe/survey/surveyor"
)

// fleetFlags say where the queue is, and who we are to it.
type fleetFlags struct{ natsfleet.Config }

func (o *fleetFlags) add(f *pflag.FlagSet) {
	f.StringSliceVar(&o.Servers, "server", nil, "URL of a NATS server, such as nats://host:4222 or tls://host:4222; several of a cluster")
	f.StringVar(&o.CredsFile, "creds", "", "file with this client's NATS credentials")
	f.StringVar(&o.TokenFile, "token-file", "", "file with the token that the server wants")
	f.StringVar(&o.CAFile, "tls-ca", "", "file with who may sign the certificates of others")
	f.StringVar(&o.CertFile, "tls-cert", "", "file with the own certificate")
	f.StringVar(&o.KeyFile, "tls-key", "", "file with the own certificate's key")
}

// connect connects to a server elsewhere.
func (o *fleetFlags) connect(ctx context.Context, cmd *cobra.Command, name string) (*natsfleet.Backend, error) {
	if len(o.Servers) == 0 {
		return nil, usagef("--server: want the URL that \"pmtu survey serve\" shows")
	}
	o.Name, o.Log = name, teller(cmd.ErrOrStderr())
	b, err := natsfleet.Connect(ctx, o.Config)
	if err != nil && ctx.Err() == nil { // it wasn't time that ran out
		return nil, usagef("--server, --creds, --token-file, --tls-ca, --tls-cert, --tls-key: %w", err)
	}
	return b, err
}

// teller writes to people, a line each.
func teller(w io.Writer) func(string, ...any) {
	return func(format string, args ...any) {
		_, _ = fmt.Fprintf(w, time.Now().Format("15:04:05.000 ")+format+"\n", args...)
	}
}

// serveFlags are the flags of "pmtu survey serve".
type serveFlags struct {
	surveyFlags
	fleetFlags
	server  natsfleet.ServerConfig
	mutual  bool
	name    string
	places  []string
	workers int
	shard   uint64
	lease   time.Duration
}

func newSurveyServeCommand() *cobra.Command {
	var o serveFlags
	cmd := &cobra.Command{
		Use:   "serve [TARGETS...]",
		Short: "Share a survey among workers on many machines, and collect its results",
		Long: `Serve cuts a survey into shards, hands them to workers ("pmtu survey work") and writes
their results, one record for each target and vantage. The queue is a NATS server within
this process, or with --server one elsewhere. Without TARGETS it is just a server, which
may be one of a cluster.

It can be killed at any moment: the same command goes on. So do the workers.

The rates are those of all workers together. Each vantage of --vantages measures every
target; without it each target is measured once, from anywhere.

Exit codes: 0 every target has a verdict, 1 some has none or it was interrupted, 2 wrong use.`,
		Example: `  pmtu survey serve --attribution https://example.net/probing -i hitlist.txt --vantages ams,nrt \
      --listen 0.0.0.0:4222 --token-file token --tls-cert cert.pem --tls-key key.pem -o run1.jsonl
  pmtu survey work --server tls://survey.example.net:4222 --token-file token --vantage ams`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.seedGiven = cmd.Flags().Changed("seed")
			return runServe(cmd, &o, args)
		},
	}
	f := cmd.Flags()
	o.addPlan(f)
	o.add(f)
	f.StringVar(&o.server.Listen, "listen", "127.0.0.1:4222", "address for workers; others than those of this machine need TLS, and a token or --tls-verify")
	f.StringVar(&o.server.Store, "store", "", "directory of the queue (default: the output's name and .queue)")
	f.BoolVar(&o.mutual, "tls-verify", false, "demand certificates of workers, signed by --tls-ca")
	f.BoolVar(&o.server.Insecure, "insecure", false, "listen anywhere, without TLS or token: only on a network of your own")
	f.StringVar(&o.server.Cluster, "cluster", "", "name of the cluster of servers that this one is part of")
	f.StringVar(&o.server.Name, "node", "", "name of this server in the cluster")
	f.StringVar(&o.server.ClusterListen, "cluster-listen", "127.0.0.1:6222", "address for the other servers")
	f.StringSliceVar(&o.server.Routes, "routes", nil, "addresses of the other servers, host:port")
	f.IntVar(&o.Replicas, "replicas", 1, "servers of the cluster that keep each thing")
	f.StringVar(&o.name, "survey", "", "name of the survey (default: from its plan)")
	f.StringSliceVar(&o.places, "vantages", []string{fleet.Anywhere}, "vantages, each of which measures every target")
	f.IntVar(&o.workers, "workers", 0, "workers to expect: none gets more than one part of so many of the rates (default: as many as vantages)")
	f.Uint64Var(&o.shard, "shard-size", 0, "targets in a shard (default: what a worker measures in about two minutes)")
	f.DurationVar(&o.lease, "lease", time.Minute, "how long a worker may be silent before its shard goes to another")
	f.StringVarP(&o.output, "output", "o", "", "file of results")
	return cmd
}

func runServe(cmd *cobra.Command, o *serveFlags, args []string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	node := len(args) == 0 && len(o.inputs) == 0
	switch {
	case node && len(o.Servers) > 0:
		return usagef("no targets: give addresses, prefixes, or --input FILE")
	case node && o.server.Store == "":
		return usagef("--store: want the directory of the queue")
	case !node && o.output == "":
		return usagef("--output: want the file of results")
	case o.server.Store == "":
		o.server.Store = o.output + ".queue"
	}
	var plan *servedPlan
	if !node {
		var err error
		if plan, err = o.plan(cmd, args); err != nil {
			return err
		}
	}
	tell := teller(cmd.ErrOrStderr())
	var backend *natsfleet.Backend
	var err error
	if len(o.Servers) > 0 {
		backend, err = o.connect(ctx, cmd, "coordinator")
	} else {
		var server *natsfleet.Server
		if server, err = o.start(tell); err != nil {
			return usageError{err}
		}
		defer server.Shutdown()
		tell("workers: --server %s", server.URL())
		if node {
			<-ctx.Done()
			return nil
		}
		o.Name, o.Log = "coordinator", tell
		inside := o.Config // within the process there is no TLS
		inside.CAFile, inside.CertFile, inside.KeyFile = "", "", ""
		backend, err = server.Connect(ctx, inside)
	}
	if err != nil {
		return err
	}
	defer backend.Disconnect()
	return plan.collect(ctx, cmd, o, backend, tell)
}

// start starts the server within this process.
func (o *serveFlags) start(tell func(string, ...any)) (*natsfleet.Server, error) {
	o.server.TokenFile, o.server.CertFile, o.server.KeyFile, o.server.Log = o.TokenFile, o.CertFile, o.KeyFile, tell
	if o.mutual {
		o.server.ClientCAFile = o.CAFile
		if o.CAFile == "" {
			return nil, errors.New("--tls-verify: needs --tls-ca")
		}
	}
	return natsfleet.StartServer(o.server)
}

// servedPlan is a survey that is to be shared.
type servedPlan struct {
	*fleet.Plan
	set     *survey.Set
	blobs   [][]byte
	skipped uint64
}

// plan reads everything that the flags name.
func (o *serveFlags) plan(cmd *cobra.Command, args []string) (*servedPlan, error) {
	// This process sends nothing: it is the workers who must be in a lab.
	lab := o.lab
	o.lab, o.anonymous, o.surveyFlags.shard = false, o.anonymous || lab, "0/1"
	o.batch = survey.MostEntries
	if err := o.check(args); err != nil {
		return nil, err
	}
	o.lab = lab
	r := &surveyRun{surveyFlags: &o.surveyFlags, cmd: cmd}
	defer r.close()
	if err := r.prepare(args, nil); err != nil {
		return nil, err
	}
	set, err := r.batches.Next()
	if err == nil && set.Len() == 0 {
		err = fmt.Errorf("no target may be probed: %d are excluded", r.batches.Blocked)
	}
	if err != nil {
		return nil, usageError{err}
	}
	list, err := fleet.EncodeList(set)
	if err != nil {
		return nil, err
	}
	s := &servedPlan{set: set, blobs: [][]byte{list}, skipped: r.batches.Blocked}
	c := &o.cfg
	s.Plan = &fleet.Plan{
		ID: o.name, Tool: toolVersion(), Seed: o.seed, List: fleet.BlobName(list), Targets: set.Len(), Shard: o.shard,
		Places: o.places, Lease: fleet.Duration(o.lease), Workers: o.workers, Lab: lab,
		Attribution: c.Attribution, Methods: o.methods, Port: c.Port, Max: c.Max, Tries: c.Tries, Fails: c.Fails,
		Budget: c.Budget, Window: c.Window, Timeout: fleet.Duration(c.Timeout), Cooldown: fleet.Duration(c.Cooldown), Gap: fleet.Duration(c.Gap),
		Total: c.Total, PerNet: c.PerNet, PerAS: c.PerAS,
	}
	if !o.seedGiven { // the same list again is the same survey, to be gone on with
		h, _ := hex.DecodeString(s.List)
		s.Seed = binary.BigEndian.Uint64(h)
	}
	if s.Workers == 0 {
		s.Workers = len(s.Places)
	}
	if s.Shard == 0 {
		s.Shard = shardSize(c.Total, s.Workers)
	}
	if err := s.files(o); err != nil {
		return nil, err
	}
	if s.ID == "" {
		s.ID = s.Hash()[:12]
	}
	if err := s.Validate(); err != nil {
		return nil, usageError{err}
	}
	return s, nil
}

// shardSize returns how many targets a worker measures in about two minutes, if
// each takes eight packets.
func shardSize(total survey.Rates, workers int) uint64 {
	const seconds, packets, size = 120, 8, 1000
	rate := total.Packets
	if r := total.Bits / 8 / size; r > 0 && (rate == 0 || r < rate) {
		rate = r
	}
	if rate == 0 {
		return fleet.MostShard
	}
	return uint64(min(max(rate/float64(workers)*seconds/packets, 64), fleet.MostShard))
}

// files takes along what --prior and --origins name.
func (s *servedPlan) files(o *serveFlags) error {
	if o.prior != "" {
		b, err := os.ReadFile(o.prior)
		if err != nil {
			return err
		}
		s.Prior = string(b)
	}
	if o.origins == "" {
		return nil
	}
	b, err := os.ReadFile(o.origins)
	if err == nil {
		b, err = fleet.EncodeOrigins(b)
	}
	if err != nil {
		return err
	}
	s.Origins, s.blobs = fleet.BlobName(b), append(s.blobs, b)
	return nil
}

// collect submits the survey and writes what the workers find.
func (s *servedPlan) collect(ctx context.Context, cmd *cobra.Command, o *serveFlags, b fleet.Backend, tell func(string, ...any)) error {
	c, err := fleet.NewCollector(b, s.Plan, s.set, nil)
	if err != nil {
		return err
	}
	out, err := fleet.OpenLines(o.output, c.Restore)
	if err != nil {
		return usagef("--output: %w", err)
	}
	defer func() { _ = out.Close() }()
	c.SetOutput(out)
	c.Log = tell
	began := time.Now()
	state, err := s.submit(ctx, b, tell)
	if err != nil {
		return err
	}
	if state.Phase == fleet.Done && !c.Complete() {
		return usagef("survey %s is done, but %s lacks records: its file was another, or give the survey a new name with --survey", s.ID, o.output)
	}
	tell("survey %s: %d targets (%d skipped) in %d shards for each of %v; %d records are there", s.ID, s.Targets, s.skipped, s.Shards(), s.Places, c.Records)
	next := began
	c.Observe = func(t fleet.Totals) {
		if now := time.Now(); now.After(next) {
			next = now.Add(10 * time.Second)
			tell("%d of %d records %v, %d duplicates dropped", t.Records, t.Expected, t.ByVantage, t.Duplicates)
		}
	}
	err = c.Run(ctx)
	tell("%d of %d records %v, %d with a PMTU, %d without a verdict; %d duplicates dropped; %d targets alike from several vantages, %d not",
		c.Records, c.Expected, c.ByVantage, c.Measured, c.Unfinished, c.Duplicates, c.Same, c.Differ)
	if err2 := s.writeMeta(o.output+".meta.json", c.Totals, began, err); err2 != nil {
		err = errors.Join(err, err2)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &labError{exitNotMeasured, fmt.Errorf("interrupted after %d records; the same command goes on", c.Records)}
	case err != nil:
		return err
	case c.Unfinished > 0 || !c.Complete():
		return notMeasured{int(c.Unfinished + c.Expected - c.Records), int(c.Expected)}
	}
	return nil
}

// submit tries until the queue takes the survey, which a cluster may do late.
func (s *servedPlan) submit(ctx context.Context, b fleet.Backend, tell func(string, ...any)) (fleet.State, error) {
	for {
		state, err := fleet.Submit(ctx, b, s.Plan, s.blobs)
		if err == nil {
			return state, nil
		}
		if errors.Is(err, fleet.ErrOtherPlan) {
			return state, usageError{err}
		}
		if ctx.Err() != nil {
			return state, err
		}
		tell("%v", err)
		time.Sleep(500 * time.Millisecond)
	}
}

// writeMeta writes what is needed to run the survey again, and what it did.
func (s *servedPlan) writeMeta(name string, t fleet.Totals, began time.Time, failure error) error {
	text := ""
	if failure != nil {
		text = failure.Error()
	}
	b, err := json.MarshalIndent(struct {
		Tool   string       `json:"tool"`
		Args   []string     `json:"args"`
		Plan   *fleet.Plan  `json:"plan"`
		Hash   string       `json:"plan_sha256"`
		Start  time.Time    `json:"start"`
		End    time.Time    `json:"end"`
		Totals fleet.Totals `json:"totals"`
		Error  string       `json:"error,omitempty"`
	}{toolVersion(), os.Args[1:], s.Plan, s.Hash(), began.UTC(), time.Now().UTC(), t, text}, "", "  ")
	if err != nil {
		return err
	}
	return surveyor.WriteFile(name, append(b, '\n'))
}
