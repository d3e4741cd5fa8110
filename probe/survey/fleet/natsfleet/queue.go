package natsfleet

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"pathmtu/probe/survey/fleet"
)

// mostLeased is how many shards of a survey and vantage may be leased at once.
const mostLeased = 1000

func workSubject(survey, vantage string) string { return "work." + survey + "." + vantage }

// Open implements fleet.Queue.
func (b *Backend) Open(ctx context.Context, survey, vantage string, lease time.Duration) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	_, err := b.js.CreateOrUpdateConsumer(ctx, workStream, jetstream.ConsumerConfig{
		Durable: survey + "-" + vantage, FilterSubject: workSubject(survey, vantage),
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: lease, MaxDeliver: -1, MaxAckPending: mostLeased,
	})
	return err
}

// consumer returns a handle on a durable consumer.
func (b *Backend) consumer(ctx context.Context, stream, name string) (jetstream.Consumer, error) {
	b.mu.Lock()
	c := b.consumers[stream+name]
	b.mu.Unlock()
	if c != nil {
		return c, nil
	}
	ctx, cancel := bound(ctx)
	defer cancel()
	c, err := b.js.Consumer(ctx, stream, name)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.consumers[stream+name] = c
	b.mu.Unlock()
	return c, nil
}

// Enqueue implements fleet.Queue.
func (b *Backend) Enqueue(ctx context.Context, s fleet.Shard) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	ctx, cancel := bound(ctx)
	defer cancel()
	_, err = b.js.Publish(ctx, workSubject(s.Survey, s.Vantage), text)
	return err
}

// Lease implements fleet.Queue.
func (b *Backend) Lease(ctx context.Context, survey, vantage string, wait time.Duration) (fleet.Lease, error) {
	c, err := b.consumer(ctx, workStream, survey+"-"+vantage)
	if err != nil {
		return nil, err
	}
	m, err := fetch(ctx, c, 1, wait)
	if err != nil || len(m) == 0 {
		return nil, err
	}
	s, err := fleet.DecodeShard(m[0].Data())
	if err != nil {
		return nil, errors.Join(err, m[0].Term())
	}
	return &lease{m[0], s}, nil
}

// fetch returns the messages that are there, and waits for one if there is
// none; none after that is no error.
func fetch(ctx context.Context, c jetstream.Consumer, most int, wait time.Duration) ([]jetstream.Msg, error) {
	for _, ask := range []func() (jetstream.MessageBatch, error){
		func() (jetstream.MessageBatch, error) { return c.FetchNoWait(most) },
		func() (jetstream.MessageBatch, error) { return c.Fetch(1, jetstream.FetchMaxWait(wait)) },
	} {
		batch, err := ask()
		if err != nil {
			return nil, err
		}
		var out []jetstream.Msg
		for m := range batch.Messages() {
			out = append(out, m)
		}
		if len(out) > 0 {
			return out, nil // also when more failed: these are ours now
		}
		if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, nil
}

// Depth implements fleet.Queue.
func (b *Backend) Depth(ctx context.Context, survey, vantage string) (fleet.Depth, error) {
	i, err := b.info(ctx, workStream, survey+"-"+vantage)
	if err != nil {
		return fleet.Depth{}, err
	}
	return fleet.Depth{Waiting: i.NumPending, Leased: uint64(i.NumAckPending), Again: uint64(i.NumRedelivered)}, nil
}

func (b *Backend) info(ctx context.Context, stream, name string) (*jetstream.ConsumerInfo, error) {
	c, err := b.consumer(ctx, stream, name)
	if err != nil {
		return nil, err
	}
	ctx, cancel := bound(ctx)
	defer cancel()
	return c.Info(ctx)
}

// Purge implements fleet.Queue.
func (b *Backend) Purge(ctx context.Context, survey string) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	s, err := b.js.Stream(ctx, workStream)
	if err != nil {
		return err
	}
	return s.Purge(ctx, jetstream.WithPurgeSubject(workSubject(survey, "*")))
}

// Close implements fleet.Queue.
func (b *Backend) Close(ctx context.Context, survey string) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	p, err := fleet.ReadPlan(ctx, b, survey)
	if err != nil {
		return err
	}
	if err := b.Purge(ctx, survey); err != nil {
		return err
	}
	for _, v := range p.Places {
		if err := b.js.DeleteConsumer(ctx, workStream, survey+"-"+v); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
	}
	err = b.js.DeleteConsumer(ctx, resultsStream, "sink-"+survey)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		err = nil
	}
	return err
}

type lease struct {
	jetstream.Msg
	shard fleet.Shard
}

func (l *lease) Shard() fleet.Shard { return l.shard }

func (l *lease) Extend(context.Context) error { return l.InProgress() }

func (l *lease) Done(ctx context.Context) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	return l.DoubleAck(ctx)
}

func (l *lease) Release(_ context.Context, after time.Duration) error { return l.NakWithDelay(after) }
