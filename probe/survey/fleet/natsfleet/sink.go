package natsfleet

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"pathmtu/probe/survey/fleet"
)

// Publish implements fleet.Sink.
func (b *Backend) Publish(ctx context.Context, survey, vantage, id string, block []byte) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	_, err := b.js.Publish(ctx, "results."+survey+"."+vantage, block, jetstream.WithMsgID(id))
	return err
}

// sink returns the Collector's consumer.
func (b *Backend) sink(ctx context.Context, survey string) (jetstream.Consumer, error) {
	name := "sink-" + survey
	b.mu.Lock()
	c := b.consumers[resultsStream+name]
	b.mu.Unlock()
	if c != nil {
		return c, nil
	}
	ctx, cancel := bound(ctx)
	defer cancel()
	c, err := b.js.CreateOrUpdateConsumer(ctx, resultsStream, jetstream.ConsumerConfig{
		Durable: name, FilterSubject: "results." + survey + ".*",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: mostLeased,
	})
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.consumers[resultsStream+name] = c
	b.mu.Unlock()
	return c, nil
}

// Receive implements fleet.Sink.
func (b *Backend) Receive(ctx context.Context, survey string, most int, wait time.Duration) ([]fleet.Delivery, error) {
	c, err := b.sink(ctx, survey)
	if err != nil {
		return nil, err
	}
	messages, err := fetch(ctx, c, most, wait)
	out := make([]fleet.Delivery, len(messages))
	for i, m := range messages {
		out[i] = fleet.Delivery{Block: m.Data(), Ack: func(context.Context) error { return m.Ack() }}
	}
	return out, err
}

// Pending implements fleet.Sink.
func (b *Backend) Pending(ctx context.Context, survey string) (uint64, error) {
	c, err := b.sink(ctx, survey)
	if err != nil {
		return 0, err
	}
	ctx, cancel := bound(ctx)
	defer cancel()
	i, err := c.Info(ctx)
	if err != nil {
		return 0, err
	}
	return i.NumPending + uint64(i.NumAckPending), nil
}
