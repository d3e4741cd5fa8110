package fleet

import (
	"context"
	"sync"
	"time"

	"pathmtu/results"
)

// publisher makes blocks of a job's records and publishes them, some at the same
// time. Records are never refused, since a survey's loop must not wait: what
// waits is bounded by the shard, and the worker leases no other before all of it
// is kept.
type publisher struct {
	j   *job
	ctx context.Context
	sem chan struct{}
	wg  sync.WaitGroup

	mu       sync.Mutex
	block    *Block
	at       []uint64 // positions of its records
	began    time.Time
	sequence uint32
}

func newPublisher(j *job, ctx context.Context) *publisher {
	return &publisher{j: j, ctx: ctx, sem: make(chan struct{}, j.Outstanding)}
}

func (p *publisher) add(r *results.Record, at uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.block == nil {
		p.block, p.at, p.began = &Block{}, nil, time.Now()
	}
	p.block.Records = append(p.block.Records, r)
	p.at = append(p.at, at)
	if len(p.at) >= p.j.Block {
		p.sealLocked()
	}
}

// seal publishes what there is.
func (p *publisher) seal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sealLocked()
}

// sealOld publishes what waits for company for too long.
func (p *publisher) sealOld(age time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.block != nil && time.Since(p.began) >= age {
		p.sealLocked()
	}
}

func (p *publisher) sealLocked() {
	if p.block == nil {
		return
	}
	b, at, j := p.block, p.at, p.j
	p.block = nil
	b.Survey, b.Vantage, b.Shard, b.Sequence = j.plan.ID, j.shard.Vantage, j.shard.Number, p.sequence
	b.Worker = results.Worker{ID: j.ID, Host: j.Host, PID: j.PID, Epoch: j.epoch}
	j.worker.mu.Lock()
	b.Worker.ClockOffset, b.Worker.ClockError = j.clock.microseconds()
	j.worker.mu.Unlock()
	p.sequence++
	p.wg.Go(func() { p.publish(b, at) })
}

// publish tries until the block is kept, or it's time to give up.
func (p *publisher) publish(b *Block, at []uint64) {
	select {
	case p.sem <- struct{}{}:
		defer func() { <-p.sem }()
	case <-p.ctx.Done():
		return
	}
	j := p.j
	packed, err := b.Encode()
	if err != nil {
		j.Log("block %s: %v", b.ID(), err) // the shard stays unfinished
		return
	}
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		if err = j.Backend.Publish(p.ctx, b.Survey, b.Vantage, b.ID(), packed); err == nil {
			break
		}
		if p.ctx.Err() != nil {
			return
		}
		j.Log("block %s: %v", b.ID(), err)
		sleep(p.ctx, pause)
	}
	j.mu.Lock()
	for _, i := range at {
		j.cursor.finish(i)
	}
	j.mu.Unlock()
	j.tell(func(i *WorkerInfo) { i.Records += uint64(len(at)) })
}

func (p *publisher) wait() { p.wg.Wait() }
