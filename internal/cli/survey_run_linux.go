package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pathmtu/internal/rawsock"
	"pathmtu/plpmtud"
	"pathmtu/probe/survey"
	"pathmtu/probe/survey/surveyor"
	"pathmtu/results"
)

// surveyRun is one invocation of "pmtu survey".
type surveyRun struct {
	*surveyFlags
	cmd     *cobra.Command
	pick    survey.Selection
	batches *surveyor.Batches
	closers []io.Closer
	meta    surveyor.Meta
	links   [2]rawsock.Link // IPv4, IPv6
	conn    *surveyor.Conn
}

func runSurvey(cmd *cobra.Command, o *surveyFlags, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	o.files()
	var from *surveyor.Checkpoint
	if o.resume {
		var err error
		if from, err = surveyor.ReadCheckpoint(o.checkpoint); err != nil {
			return usagef("--resume: %w", err)
		}
	}
	r := &surveyRun{surveyFlags: o, cmd: cmd}
	defer r.close()
	if err := r.prepare(args, from); err != nil {
		return err
	}
	sink, err := surveySink(cmd, o, from)
	if err != nil {
		if errors.Is(err, os.ErrExist) {
			return usagef("--output %s: exists; go on with --resume, or choose another", o.output)
		}
		return err
	}
	r.closers = append(r.closers, sink)
	if err := r.open(); err != nil {
		return err
	}
	r.drop()
	return r.measure(sink, from)
}

func (r *surveyRun) close() {
	if r.conn != nil {
		_ = r.conn.Close()
	}
	for _, c := range r.closers {
		_ = c.Close()
	}
}

// prepare reads every list but the targets, and describes the run.
func (r *surveyRun) prepare(args []string, from *surveyor.Checkpoint) error {
	if !r.seedGiven {
		r.cfg.Seed = randomSeed()
	}
	m := &r.meta
	if from != nil { // what was drawn is drawn no more
		old, err := surveyor.ReadMeta(r.metadata)
		if err != nil {
			return usagef("--resume: metadata: %w", err)
		}
		m.Run, m.Start, m.Starts = old.Run, old.Start, append(old.Starts, time.Now().UTC())
		if !r.seedGiven {
			r.cfg.Seed = old.Plan.Seed
		}
	} else {
		m.Run, m.Start = newRunID(), time.Now().UTC()
	}
	targets := &survey.List{}
	for _, a := range args {
		if err := targets.Add(a); err != nil {
			return usagef("target %q: want an IP address or a prefix such as 192.0.2.0/24", a)
		}
	}
	r.pick = survey.Selection{Lab: r.lab, V4: r.v4, V6: r.v6}
	var err error
	if r.pick.Allow, m.Allow, err = readLists(r.allow); err != nil {
		return err
	}
	if r.pick.Block, m.Block, err = readLists(r.block); err != nil {
		return err
	}
	if err := r.tables(); err != nil {
		return err
	}
	var inputs []surveyor.Input
	for _, name := range r.inputs {
		if name == "-" {
			inputs = append(inputs, surveyor.Input{Name: "standard input", R: r.cmd.InOrStdin()})
			m.Inputs = append(m.Inputs, surveyor.FileSum{Name: name})
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return usagef("--input: %w", err)
		}
		r.closers = append(r.closers, f)
		sum, err := surveyor.SumFile(name)
		if err != nil {
			return err
		}
		inputs = append(inputs, surveyor.Input{Name: name, R: f})
		m.Inputs = append(m.Inputs, sum)
	}
	r.batches = surveyor.NewBatches(targets, inputs, r.pick, r.batch)
	r.describe(args)
	return nil
}

// readLists reads lists in zmap's format; no file: nil.
func readLists(names []string) (*survey.List, []surveyor.FileSum, error) {
	if len(names) == 0 {
		return nil, nil, nil
	}
	l := &survey.List{}
	var sums []surveyor.FileSum
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, usageError{err}
		}
		err = l.ReadAll(name, f)
		_ = f.Close()
		if err != nil {
			return nil, nil, usageError{err}
		}
		sum, err := surveyor.SumFile(name)
		if err != nil {
			return nil, nil, err
		}
		sums = append(sums, sum)
	}
	return l, sums, nil
}

// tables reads --origins and --prior.
func (r *surveyRun) tables() error {
	read := func(name string, sums *[]surveyor.FileSum, parse func(io.Reader) error) error {
		if name == "" {
			return nil
		}
		f, err := os.Open(name)
		if err != nil {
			return usageError{err}
		}
		defer func() { _ = f.Close() }()
		if err := parse(f); err != nil {
			return usageError{err}
		}
		sum, err := surveyor.SumFile(name)
		*sums = append(*sums, sum)
		return err
	}
	err := read(r.origins, &r.meta.Origins, func(f io.Reader) (err error) {
		r.cfg.Origins, err = survey.ReadOrigins(r.origins, f)
		return err
	})
	if err != nil {
		return err
	}
	return read(r.prior, &r.meta.Prior, func(f io.Reader) (err error) {
		r.cfg.Prior, err = plpmtud.ParsePrior(f)
		return err
	})
}

// describe fills in the record of the run.
func (r *surveyRun) describe(args []string) {
	m, c := &r.meta, &r.cfg
	m.Schema, m.Tool, m.Args = results.Schema, toolVersion(), os.Args[1:]
	m.Plan = surveyor.Plan{
		Seed: c.Seed, Shard: c.Shard, Shards: c.Shards, Batch: r.batch, Targets: args, Lab: r.lab,
		V4: r.v4 || !r.v6, V6: r.v6 || !r.v4, Methods: r.methods, Port: c.Port, Max: c.Max,
		Tries: c.Tries, Fails: c.Fails, Budget: c.Budget,
	}
	for _, s := range m.Allow {
		m.Plan.Allow = append(m.Plan.Allow, s.SHA256)
	}
	for _, s := range m.Block {
		m.Plan.Block = append(m.Plan.Block, s.SHA256)
	}
	for _, s := range m.Prior {
		m.Plan.Prior = s.SHA256
	}
	m.Hash = m.Plan.Hash()
	m.Attribution = c.Attribution
	m.Total, m.PerNet, m.PerAS = c.Total, c.PerNet, c.PerAS
	m.Timeout, m.Cooldown = surveyor.Duration(c.Timeout), surveyor.Duration(c.Cooldown)
	m.Gap, m.Window = surveyor.Duration(c.Gap), c.Window
	m.Host, m.Go = hostname(), runtime.Version()
	m.Kernel = kernelName()
}

// Addresses that stand for all others when the kernel is asked for its routes.
// Nothing is sent to them.
var (
	anywhere4 = netip.MustParseAddr("192.0.2.200")
	anywhere6 = netip.MustParseAddr("2001:db8::1")
)

// open finds the links that packets leave by, and opens sockets on them.
func (r *surveyRun) open() error {
	src4, src6, err := r.sources()
	if err != nil {
		return err
	}
	var c surveyor.ConnConfig
	c.Device = r.device
	for _, k := range r.cfg.Methods {
		c.UDP = c.UDP || k != survey.ICMP
	}
	if r.meta.Plan.V4 {
		if r.links[0], err = rawsock.LinkTo(src4, anywhere4); err == nil {
			c.Source4, r.cfg.Link4 = r.links[0].Source, r.links[0].MTU
		} else if !r.meta.Plan.V6 {
			return err
		}
	}
	if r.meta.Plan.V6 {
		link, err := rawsock.LinkTo(src6, anywhere6)
		if err == nil && link.MTU >= 1280 {
			r.links[1], c.Source6, r.cfg.Link6 = link, link.Source, link.MTU
		} else if !c.Source4.IsValid() {
			return fmt.Errorf("no route for packets of either family: %w", err)
		}
	}
	for i, l := range r.links {
		if l.Name != "" {
			r.meta.Links = append(r.meta.Links, surveyor.MetaLink{Family: 4 + 2*i, Interface: l.Name, Source: l.Source.String(), MTU: l.MTU})
		}
	}
	if r.conn, err = surveyor.OpenConn(c); err != nil {
		if errors.Is(err, os.ErrPermission) {
			return privilegeError{&rawsock.PrivilegeError{What: "raw ICMP socket", Need: "CAP_NET_RAW", Err: err}, "pmtu probe --method udp"}
		}
		return err
	}
	return nil
}

// drop gives up privileges, unless files are to be written: replacing those may
// need them, a long time from now.
func (r *surveyRun) drop() {
	if r.output == "-" && r.checkpoint == "" && r.metadata == "" {
		_ = rawsock.DropPrivileges() // best effort: see its documentation
	}
}

func (r *surveyRun) measure(sink surveyor.Sink, from *surveyor.Checkpoint) error {
	ctx, stop := signal.NotifyContext(r.cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	show, err := newSurveyDisplay(ctx, r.cmd.ErrOrStderr(), r.metrics)
	if err != nil {
		return err
	}
	if err := r.writeMeta(nil, nil); err != nil {
		return err
	}
	tool := toolVersion()
	status, err := surveyor.Run(ctx, surveyor.Options{
		Survey: r.cfg, Batches: r.batches, Conn: r.conn, Sink: sink,
		Record: func(rec *results.Record) {
			link := &r.links[1]
			if rec.Family == 4 {
				link = &r.links[0]
			}
			rec.Tool, rec.Run = tool, r.meta.Run
			rec.Vantage = results.Vantage{Name: r.vantage, Interface: link.Name, MTU: link.MTU, Source: sourceOf(link)}
			rec.Methods[0].Flow = rec.Vantage.Source + " > " + rec.Address
		},
		Run: r.meta.Run, Plan: r.meta.Hash, Checkpoint: r.checkpoint, Resume: from,
		Observe: show.observe,
	})
	show.close(status)
	return r.conclude(status, err)
}

func sourceOf(l *rawsock.Link) string {
	if !l.Source.IsValid() {
		return ""
	}
	return l.Source.String()
}

func (r *surveyRun) writeMeta(s *surveyor.Status, err error) error {
	if r.metadata == "" {
		return nil
	}
	if s != nil {
		now := time.Now().UTC()
		r.meta.End, r.meta.Status = &now, s
		if err != nil {
			r.meta.Error = err.Error()
		}
	}
	return r.meta.Write(r.metadata)
}

// conclude writes the record of the run and says how it ended.
func (r *surveyRun) conclude(s surveyor.Status, err error) error {
	if err2 := r.writeMeta(&s, err); err == nil {
		err = err2
	}
	switch {
	case errors.Is(err, surveyor.ErrInterrupted) && r.output != "-":
		return &labError{exitNotMeasured, fmt.Errorf("interrupted after %d targets; go on with --resume", s.Finished)}
	case errors.Is(err, surveyor.ErrPlan):
		return usagef("--resume: %w", err)
	case errors.Is(err, context.Canceled), err != nil:
		return err
	case s.Errors > 0:
		return notMeasured{int(s.Errors), int(s.Finished)}
	}
	return nil
}
