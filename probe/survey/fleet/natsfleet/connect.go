// Package natsfleet is a fleet.Backend on NATS JetStream: on a server within
// this process, on one elsewhere, or on a cluster, with the same code.
//
// Work is in a stream whose subjects are work.<survey>.<vantage>, with one
// durable consumer each, that forgets what is acknowledged. Results are in
// another one, results.<survey>.<vantage>, which drops blocks whose message id it
// has seen, and refuses blocks when it is full. Small values are in a key-value
// bucket, signs of life in one whose keys expire, lists of targets in an object
// store.
package natsfleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"pathmtu/probe/survey/fleet"
)

// Config says where the NATS server is, and who we are to it.
type Config struct {
	// Servers are URLs, such as nats://host:4222 or tls://host:4222.
	Servers []string
	Name    string // of this client
	// CredsFile holds a JWT and its key, TokenFile a token.
	CredsFile, TokenFile string
	// CAFile holds who may sign the server's certificate, "": who the system
	// trusts. CertFile and KeyFile are this client's.
	CAFile, CertFile, KeyFile string
	// Replicas is how many servers of a cluster keep each thing. 0: 1.
	Replicas int
	// Join waits until another client has made what a survey needs, instead of
	// making it: who makes it says how many servers keep it.
	Join bool
	// MostResults bounds the stream of results, in bytes. 0: 1 GiB.
	MostResults int64
	// Log tells of connections that are lost and found. It may be nil.
	Log func(format string, args ...any)

	inside nats.InProcessConnProvider
}

// Limits of time.
const (
	opTime    = 5 * time.Second // one request, if the caller has no deadline
	blobTime  = 2 * time.Minute
	ackWait   = 30 * time.Second // for a Collector
	dedupTime = 10 * time.Minute // as long as the longest lease
)

// Backend is a fleet.Backend. It is safe for concurrent use.
type Backend struct {
	cfg     Config
	nc      *nats.Conn
	js      jetstream.JetStream
	values  jetstream.KeyValue
	workers jetstream.KeyValue
	blobs   jetstream.ObjectStore

	mu        sync.Mutex
	consumers map[string]jetstream.Consumer
}

const (
	workStream    = "PMTU_WORK"
	resultsStream = "PMTU_RESULTS"
	valueBucket   = "PMTU"
	workerBucket  = "PMTU_WORKERS"
	blobBucket    = "PMTU_BLOBS"
)

// Connect connects, and makes the streams and buckets that aren't there yet. It
// tries until ctx ends, or a server says that it doesn't want this client
// (*AccessError). After that the connection is kept up until Disconnect.
func Connect(ctx context.Context, c Config) (*Backend, error) {
	if c.Log == nil {
		c.Log = func(string, ...any) {}
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.MostResults == 0 {
		c.MostResults = 1 << 30
	}
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	sparing := fleet.Sparing(c.Log) // it may be said for hours
	tell := func(err error) { sparing("nats: %v; trying again", err) }
	nc, err := c.dial(ctx, options, tell)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	b := &Backend{cfg: c, nc: nc, consumers: map[string]jetstream.Consumer{}}
	// A bound of what waits for its confirmation: Publish waits anyway.
	if b.js, err = jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(64)); err == nil {
		for {
			if err = b.prepare(ctx); err == nil {
				return b, nil
			}
			if refused := c.access(nc.LastError()); refused != nil {
				err = refused
				break
			}
			if ctx.Err() != nil {
				break
			}
			tell(err)
			sleep(ctx, retry)
		}
	}
	nc.Close()
	return nil, fmt.Errorf("nats: %w", err)
}

// retry is the time between two attempts to connect.
const retry = 300 * time.Millisecond

// dial connects for the first time. Servers that can't be reached may come.
func (c *Config) dial(ctx context.Context, options []nats.Option, tell func(error)) (*nats.Conn, error) {
	for {
		nc, err := nats.Connect(strings.Join(c.Servers, ","), options...)
		if err == nil {
			return nc, nil
		}
		if refused := c.access(err); refused != nil {
			return nil, refused
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s: %w", strings.Join(c.Servers, ", "), err)
		}
		tell(err)
		sleep(ctx, retry)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (c *Config) options() ([]nats.Option, error) {
	refused := new(atomic.Int64) // in a row
	sparing := fleet.Sparing(c.Log)
	o := []nats.Option{
		nats.Name(c.Name), nats.MaxReconnects(-1),
		// Who was let in once goes on trying: what is wrong now may be mended.
		nats.IgnoreAuthErrorAbort(),
		nats.CustomReconnectDelay(func(int) time.Duration { return reconnectDelay(refused.Load(), rand.Float64()) }),
		nats.Timeout(3 * time.Second), nats.PingInterval(3 * time.Second), nats.MaxPingsOutstanding(2),
		// What can't be sent fails at once, and is tried again by who knows whether
		// it still makes sense.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				c.Log("nats: disconnected: %v", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			refused.Store(0)
			c.Log("nats: connected to %s", nc.ConnectedUrlRedacted())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if c.access(err) != nil && !errors.Is(err, nats.ErrPermissionViolation) {
				refused.Add(1)
			}
			sparing("nats: %v", err)
		}),
	}
	if c.inside != nil {
		o = append(o, nats.InProcessServer(c.inside))
	}
	if c.CredsFile != "" {
		if err := checkCreds(c.CredsFile); err != nil {
			return nil, err
		}
		o = append(o, nats.UserCredentials(c.CredsFile))
	}
	if c.TokenFile != "" {
		token, err := readToken(c.TokenFile)
		if err != nil {
			return nil, err
		}
		o = append(o, nats.Token(token))
	}
	if c.CAFile != "" {
		if err := checkCA(c.CAFile); err != nil {
			return nil, err
		}
		o = append(o, nats.RootCAs(c.CAFile))
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return nil, errors.New("nats: a certificate needs its key, and the other way round")
	}
	if c.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile); err != nil {
			return nil, fmt.Errorf("certificate %s, key %s: %w", c.CertFile, c.KeyFile, err)
		}
		o = append(o, nats.ClientCert(c.CertFile, c.KeyFile))
	}
	return o, nil
}

// reconnectDelay is the time between two attempts to connect again: short if a
// server can't be reached, as it may be back at once, and ever longer if it refuses
// this client. random is from 0 to 1.
func reconnectDelay(refused int64, random float64) time.Duration {
	const least, most = 250 * time.Millisecond, 30 * time.Second
	d := min(least<<min(refused, 10), most/2)
	return d + time.Duration(random*float64(d))
}

// errNothingYet is what a client with Config.Join gets too early.
var errNothingYet = errors.New("no survey was begun on this server yet")

// prepare makes what isn't there. What is there isn't changed: its replicas and
// bounds may be somebody's decision.
func (b *Backend) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	for _, s := range []jetstream.StreamConfig{
		{Name: workStream, Subjects: []string{"work.>"}, Retention: jetstream.WorkQueuePolicy, Replicas: b.cfg.Replicas},
		{
			Name: resultsStream, Subjects: []string{"results.>"}, Retention: jetstream.WorkQueuePolicy, Replicas: b.cfg.Replicas,
			Duplicates: dedupTime, MaxBytes: b.cfg.MostResults, Discard: jetstream.DiscardNew,
		},
	} {
		if _, err := b.js.Stream(ctx, s.Name); !errors.Is(err, jetstream.ErrStreamNotFound) {
			if err != nil {
				return err
			}
			continue
		}
		if b.cfg.Join {
			return errNothingYet
		}
		if _, err := b.js.CreateStream(ctx, s); err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return err
		}
	}
	var err error
	if b.values, err = b.bucket(ctx, jetstream.KeyValueConfig{Bucket: valueBucket, Replicas: b.cfg.Replicas}); err != nil {
		return err
	}
	if b.workers, err = b.bucket(ctx, jetstream.KeyValueConfig{Bucket: workerBucket, Replicas: b.cfg.Replicas, TTL: fleet.WorkerTTL}); err != nil {
		return err
	}
	if b.blobs, err = b.js.ObjectStore(ctx, blobBucket); errors.Is(err, jetstream.ErrBucketNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		if b.cfg.Join {
			return errNothingYet
		}
		b.blobs, err = b.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: blobBucket, Replicas: b.cfg.Replicas})
	}
	return err
}

func (b *Backend) bucket(ctx context.Context, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	kv, err := b.js.KeyValue(ctx, c.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		if b.cfg.Join {
			return nil, errNothingYet
		}
		kv, err = b.js.CreateKeyValue(ctx, c)
	}
	return kv, err
}

// Disconnect ends the connection. (Close is that of a fleet.Queue.)
func (b *Backend) Disconnect() { b.nc.Close() }

// bound gives a request a deadline.
func bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, opTime)
}
