//go:build linux

package netnstests

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/plpmtud/udpsock"
)

// embedSoon is for what must come, however busy the machine.
const embedSoon = 90 * time.Second

// endless is a stream that goes on until it is told to end, at no more than a
// piece each millisecond, and knows its own hash.
type endless struct {
	ctx context.Context // its end is the stream's
	sum hash.Hash
	n   byte
}

func newEndless(ctx context.Context) *endless { return &endless{ctx: ctx, sum: sha256.New()} }

func (e *endless) Read(p []byte) (int, error) {
	select {
	case <-e.ctx.Done():
		return 0, io.EOF
	case <-time.After(time.Millisecond):
	}
	p = p[:min(len(p), 4096)]
	for i := range p {
		p[i] = e.n
		e.n += byte(i) | 1
	}
	e.sum.Write(p)
	return len(p), nil
}

// sink counts and hashes what arrives.
type sink struct {
	sum   hash.Hash
	bytes atomic.Int64
}

func newSink() *sink { return &sink{sum: sha256.New()} }

func (s *sink) Write(p []byte) (int, error) {
	s.sum.Write(p)
	s.bytes.Add(int64(len(p)))
	return len(p), nil
}

// transfer is an example that carries a stream from cli to srv.
type transfer struct {
	t      *testing.T
	lab    *netlab.Lab
	family udpsock.Family
	ctx    context.Context
	cancel context.CancelFunc
	src    io.Reader
	dst    io.Writer
	mtu    atomic.Int64 // what the sender uses, as a packet on the outer path
	group  sync.WaitGroup
}

// addr is where srv listens.
func (x *transfer) addr() netip.AddrPort {
	a, ok := x.lab.Addr("srv", int(x.family))
	require.True(x.t, ok)
	return netip.AddrPortFrom(a, 7000)
}

// socket opens a UDP socket in a node, and does something there with it.
func (x *transfer) socket(node string, do func(*net.UDPConn) error) {
	x.t.Helper()
	require.NoError(x.t, x.lab.Node(node).Do(func() error {
		u, err := net.ListenUDP("udp", &net.UDPAddr{Port: 7000})
		if err != nil {
			return err
		}
		x.t.Cleanup(func() { u.Close() })
		return do(u)
	}))
}

// plpmtu notes a new size, in bytes of UDP payload.
func (x *transfer) plpmtu(size int) { x.mtu.Store(int64(size + x.family.Overhead())) }

// both runs the two ends; the test fails if one of them does.
func (x *transfer) both(ends ...func(context.Context) error) {
	x.t.Cleanup(func() { x.cancel(); x.group.Wait() }) // before the sockets close
	for _, end := range ends {
		x.group.Go(func() {
			if err := end(x.ctx); x.ctx.Err() == nil {
				assert.NoError(x.t, err)
			}
		})
	}
}

// embeddings are the examples.
var embeddings = []struct {
	name  string
	start func(*transfer)
}{
	{"plain", startPlain},
	{"quiclike", startQUIClike},
	{"dtls", startDTLS},
	{"tunnel", startTunnel},
	{"tunnel that sends PTB", startTunnelPTB},
}

// A transfer goes on while the path shrinks to 1280 bytes, and uses it when it
// grows again.
func TestEmbeddingsOnPathThatChanges(t *testing.T) {
	for _, e := range embeddings {
		for _, f := range []udpsock.Family{udpsock.IPv4, udpsock.IPv6} {
			for _, ptb := range []netlab.PTBMode{netlab.PTBFiltered, netlab.PTBDelivered} {
				t.Run(fmt.Sprintf("%s/%v/ptb %v", e.name, f, ptb), func(t *testing.T) {
					t.Parallel()
					x := &transfer{t: t, family: f, lab: build(t, netlab.Path(1500, 1500, netlab.PTB{Mode: ptb}))}
					x.ctx, x.cancel = context.WithTimeout(context.Background(), 3*embedSoon)
					defer x.cancel()
					streaming, end := context.WithCancel(x.ctx)
					defer end()
					src, dst := newEndless(streaming), newSink()
					x.src, x.dst = src, dst
					e.start(x)

					x.until("search", func(mtu int) bool { return mtu == 1500 })
					x.goesOn(dst)
					x.bottleneck(1280)
					shrunk := time.Now()
					x.until("after the path shrank", func(mtu int) bool { return mtu <= 1280 })
					t.Logf("noticed after %v", time.Since(shrunk).Round(time.Millisecond))
					x.goesOn(dst)
					x.until("and settled", func(mtu int) bool { return near(mtu, 1280) })
					x.goesOn(dst)
					if ptb == netlab.PTBFiltered { // after a PTB, nothing larger is tried for five minutes (RFC 8201 section 4)
						x.bottleneck(1500)
						x.until("after the path grew", func(mtu int) bool { return mtu == 1500 })
						x.goesOn(dst)
					}
					end()
					x.group.Wait()
					require.NoError(t, x.ctx.Err())
					assert.True(t, bytes.Equal(src.sum.Sum(nil), dst.sum.Sum(nil)), "the stream arrived as it was sent")
				})
			}
		}
	}
}

func (x *transfer) bottleneck(mtu int) {
	x.t.Helper()
	require.NoError(x.t, x.lab.SetMTU("r1", "r2", mtu))
	require.NoError(x.t, x.lab.SetMTU("r2", "r1", mtu))
}

// until waits until the size in use is as wanted.
func (x *transfer) until(what string, is func(mtu int) bool) {
	x.t.Helper()
	for end := time.Now().Add(embedSoon); !is(int(x.mtu.Load())); time.Sleep(2 * time.Millisecond) {
		require.NoError(x.t, x.ctx.Err(), what)
		require.True(x.t, time.Now().Before(end), "%s: MTU %d", what, x.mtu.Load())
		require.False(x.t, x.t.Failed(), what)
	}
}

// goesOn waits until more of the stream has arrived than can have been under
// way.
func (x *transfer) goesOn(dst *sink) {
	x.t.Helper()
	before := dst.bytes.Load()
	for end := time.Now().Add(embedSoon); dst.bytes.Load() < before+64<<10; time.Sleep(2 * time.Millisecond) {
		require.True(x.t, time.Now().Before(end), "only %d bytes arrived, MTU %d", dst.bytes.Load()-before, x.mtu.Load())
		require.False(x.t, x.t.Failed())
	}
}
