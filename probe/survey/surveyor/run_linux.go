package surveyor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"pathmtu/probe/survey"
	"pathmtu/results"
)

// DefaultInterval is the time between two checkpoints.
const DefaultInterval = 5 * time.Second

// Options say what a run does.
type Options struct {
	// Survey says how to measure. Key, LocalPort, Source4 and Final are set by Run.
	Survey  survey.Config
	Batches *Batches
	Conn    *Conn
	Sink    Sink
	// Record completes each result: what all of a run have in common.
	Record func(*results.Record)

	Run  string
	Plan string // hash of what decides the order and the results
	// Checkpoint is the file to keep. "": none.
	Checkpoint string
	Interval   time.Duration // between two of them. 0: 5 s
	// Resume is where to go on. Nil: from the beginning.
	Resume *Checkpoint

	// Observe is called a few times a second. It may be nil.
	Observe func(Status)
	// Permit says whether packets may be sent at a time. It is asked right before
	// each system call's worth of them. Nil: always.
	Permit func(now time.Time) bool
}

// ErrInterrupted says that a run ended because its context did.
var ErrInterrupted = errors.New("interrupted")

// ErrPlan says that a checkpoint is one of another survey.
var ErrPlan = errors.New("the checkpoint is of another survey: targets, seed, shard or options differ")

// surveyor is a run.
type surveyor struct {
	Options
	engine   *survey.Engine
	state    Checkpoint
	before   survey.Counts // of earlier runs and batches
	failure  error         // of the sink
	nextSave time.Time
	nextTell time.Time
	garbage  collector
	now      func() time.Time
}

// Run measures every target, and returns what was done. When ctx ends it
// returns ErrInterrupted, with a checkpoint of what is finished.
func Run(ctx context.Context, o Options) (Status, error) {
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	s := &surveyor{Options: o, now: time.Now}
	if _, err := rand.Read(s.Survey.Key[:]); err != nil {
		return Status{}, err
	}
	s.Survey.LocalPort, s.Survey.Source4 = o.Conn.Port(), o.Conn.source4
	s.Survey.Final = s.final
	s.state = Checkpoint{Version: checkpointVersion, Run: o.Run, Plan: o.Plan}
	if o.Resume != nil {
		if o.Resume.Plan != o.Plan {
			return Status{}, ErrPlan
		}
		s.state = *o.Resume
		s.before = o.Resume.Before
	}
	o.Conn.listen(s.Survey)
	err := s.batches(ctx)
	st := s.status()
	if o.Observe != nil {
		o.Observe(st)
	}
	return st, err
}

func (s *surveyor) batches(ctx context.Context) error {
	for n := uint64(0); ; n++ {
		set, err := s.Batches.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if n < s.state.Batch {
			continue // finished in an earlier run
		}
		var progress *survey.Progress
		if s.Resume != nil && n == s.Resume.Batch {
			if s.Resume.Done {
				return nil
			}
			if s.Resume.List != hashOf(set) {
				return ErrPlan
			}
			if progress, err = s.Resume.progress(); err != nil {
				return err
			}
		}
		if err := s.batch(ctx, n, set, progress); err != nil {
			return err
		}
	}
	s.state.Done = true
	return s.save(s.now())
}

func (s *surveyor) batch(ctx context.Context, n uint64, set *survey.Set, progress *survey.Progress) error {
	cfg := s.Survey
	cfg.Seed += n * 0x9e3779b97f4a7c15
	var err error
	if s.engine, err = survey.New(cfg, set, progress, s.now()); err != nil {
		return err
	}
	if progress != nil {
		s.before.Targets -= min(s.before.Targets, s.engine.Counts().Targets) // counted before already
	}
	s.state.Batch, s.state.List = n, hashOf(set)
	if err := s.save(s.now()); err != nil { // before the first packet leaves
		return err
	}
	err = s.loop(ctx)
	err = errors.Join(err, s.save(s.now()))
	s.before = add(s.before, s.engine.Counts())
	s.engine = nil
	return err
}

// loop is the one place where time passes. One goroutine does everything:
// packets are many, and handing them on costs more than what is done with them.
func (s *surveyor) loop(ctx context.Context) error {
	const (
		least = 2 * time.Millisecond   // many packets a wake-up, if there are many
		most  = 100 * time.Millisecond // until ctx is looked at
		busy  = 8                      // packets, so that the next will be many
	)
	var buf [512]byte
	for !s.engine.Done() {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		now := s.now()
		packets := s.Conn.receive(func(a *survey.Answer) { s.engine.Receive(now, a) })
		permitted := true
		for range 16 { // batches; then it is time to listen
			now = s.now()
			if permitted = s.permitted(now); !permitted {
				break
			}
			n := s.sendBatch(now, buf[:0])
			packets += n
			if n < sendBatch {
				break
			}
		}
		if s.failure != nil {
			return fmt.Errorf("results: %w", s.failure)
		}
		if err := s.tend(now); err != nil {
			return err
		}
		switch {
		case !permitted:
			s.Conn.wait(most)
		case packets >= busy:
			poll(nil, least)
		default:
			if d := s.engine.Next(now).Sub(s.now()); d > 0 {
				s.Conn.wait(min(max(d, least), most))
			}
		}
	}
	return nil
}

// sendBatch sends up to a batch of what is due, and returns how many.
func (s *surveyor) sendBatch(now time.Time, buf []byte) int {
	n := 0
	for ; n < sendBatch; n++ {
		p, ok := s.engine.Poll(now, buf)
		if !ok {
			break
		}
		k := s.Conn.socket(&p)
		if k == nil {
			s.engine.SendFailed(now, p, survey.Failure{Err: errors.New("no socket of this family")})
			continue
		}
		if k.queue(p) {
			s.flush(k, now)
		}
	}
	for _, k := range s.Conn.sockets {
		s.flush(k, now)
	}
	return n
}

// flush sends what is queued on a socket. The process may have been stopped since
// it was queued.
func (s *surveyor) flush(k *socket, now time.Time) {
	failed := func(p survey.Send, f survey.Failure) { s.engine.SendFailed(now, p, f) }
	if k.n > 0 && !s.permitted(s.now()) {
		k.drop(failed)
		return
	}
	k.flush(failed)
}

func (s *surveyor) permitted(now time.Time) bool { return s.Permit == nil || s.Permit(now) }

func (s *surveyor) final(f survey.Final) {
	r := f.Record()
	if as := s.Survey.Origins; as != nil {
		r.AS = as.Of(f.Addr)
	}
	if s.Record != nil {
		s.Record(r)
	}
	if err := s.Sink.Write(r); err != nil && s.failure == nil {
		s.failure = err
	}
}

// tend does what is due now and then.
func (s *surveyor) tend(now time.Time) error {
	if !now.Before(s.nextTell) {
		s.nextTell = now.Add(200 * time.Millisecond)
		st := s.status()
		s.garbage.tune(st.Active)
		if s.Observe != nil {
			s.Observe(st)
		}
	}
	if now.Before(s.nextSave) {
		return nil
	}
	return s.save(now)
}

// save writes results and then a checkpoint that knows of them.
func (s *surveyor) save(now time.Time) error {
	s.nextSave = now.Add(s.Interval)
	offset, err := s.Sink.Sync()
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	if s.Checkpoint == "" || offset < 0 {
		return nil
	}
	s.state.Offset = offset
	s.state.Before = s.before
	if s.engine != nil {
		s.state.setProgress(s.engine.Progress())
		s.state.Before = add(s.before, s.engine.Counts())
	}
	b, err := s.state.Encode()
	if err == nil {
		err = WriteFile(s.Checkpoint, b)
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

func (s *surveyor) status() Status {
	st := Status{Counts: s.before, Batch: s.state.Batch, Skipped: s.Batches.Blocked}
	if s.engine != nil {
		st.Counts = add(s.before, s.engine.Counts())
	}
	return st
}

// add adds counts; Active is that of b.
func add(a, b survey.Counts) survey.Counts {
	b.Targets += a.Targets
	b.Begun += a.Begun
	b.Finished += a.Finished
	b.Packets += a.Packets
	b.Bytes += a.Bytes
	b.Failed += a.Failed
	b.Answers += a.Answers
	b.Late += a.Late
	b.Rejected += a.Rejected
	b.Deferred += a.Deferred
	b.Measured += a.Measured
	b.Silent += a.Silent
	b.Errors += a.Errors
	b.Other += a.Other
	return b
}
