package surveyor

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"pathmtu/probe/survey"
	"pathmtu/results"
)

// wire is a socket that counts packets and brings none.
type wire struct {
	packets int
	sending func(n int) // before a system call
}

func (w *wire) WriteBatch(m []ipv4.Message, _ int) (int, error) {
	w.sending(len(m))
	w.packets += len(m)
	return len(m), nil
}
func (*wire) ReadBatch([]ipv4.Message, int) (int, error) { return 0, unix.EAGAIN }
func (*wire) Close() error                               { return nil }

// frozen is a run in driven time whose process can be stopped: then its time jumps.
type frozen struct {
	*surveyor
	wire  *wire
	at    time.Time
	until time.Time // when the lease ends
	asks  int       // questions that were answered with no
	// looks is called whenever the run looks at its clock.
	looks func()
}

func freezable(t *testing.T) *frozen {
	f := &frozen{wire: &wire{sending: func(int) {}}, at: time.Unix(1e9, 0), looks: func() {}}
	k := &socket{batcher: f.wire, v4: true, fd: -1}
	k.prepare(4)
	conn := &Conn{sockets: []*socket{k}, icmp: [2]*socket{k}}
	var l survey.List
	require.NoError(t, l.Add("10.0.0.0/16"))
	f.surveyor = &surveyor{Options: Options{
		Survey:  survey.Config{Link4: 1500, Total: survey.Rates{Packets: 10_000}, Final: func(survey.Final) {}},
		Batches: NewBatches(&l, nil, survey.Selection{Lab: true}, 1),
		Conn:    conn, Sink: sink{}, Interval: time.Hour,
	}}
	f.until = f.at.Add(45 * time.Second)
	f.now = func() time.Time {
		f.looks()
		f.at = f.at.Add(100 * time.Microsecond)
		return f.at
	}
	f.Permit = func(now time.Time) bool {
		if now.Before(f.until) {
			if k.n == 0 { // it may be stopped between this and the system call
				f.looks()
			}
			return true
		}
		f.asks++
		return false
	}
	conn.listen(f.Survey)
	return f
}

type sink struct{}

func (sink) Write(*results.Record) error { return nil }
func (sink) Sync() (int64, error)        { return -1, nil }
func (sink) Close() error                { return nil }

// A process that is stopped until its lease is over, wherever that happens to it,
// sends nothing when it goes on, until it is told that the lease is its own again.
func TestStoppedProcess(t *testing.T) {
	for stop := range 12 { // looks at the clock before it is stopped
		f := freezable(t)
		ctx, cancel := context.WithCancel(t.Context())
		const before = 20 // packets, so that it is busy
		looks, sent, stopped, renewed := 0, 0, false, false
		f.looks = func() {
			switch {
			case f.wire.packets < before:
			case !stopped:
				if looks++; looks > stop {
					f.at, stopped, sent = f.at.Add(time.Minute), true, f.wire.packets
				}
			case f.wire.packets > sent:
				assert.True(t, renewed, "stopped at look %d: %d packets without a lease", stop, f.wire.packets-sent)
				cancel()
			case f.asks >= 3 && !renewed:
				f.until, renewed = f.at.Add(45*time.Second), true
			}
		}
		require.ErrorIs(t, f.batches(ctx), ErrInterrupted)
		require.Greater(t, f.wire.packets, sent, "it goes on when it may")
		cancel()
	}
}

// Without a lease nothing is sent, and the run ends when its context does.
func TestNeverPermitted(t *testing.T) {
	f := freezable(t)
	f.until = f.at
	ctx, cancel := context.WithCancel(t.Context())
	f.looks = func() {
		if f.asks > 3 {
			cancel()
		}
	}
	require.ErrorIs(t, f.batches(ctx), ErrInterrupted)
	assert.Zero(t, f.wire.packets)
	assert.Zero(t, f.status().Packets)
}
