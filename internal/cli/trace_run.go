package cli

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"pathmtu/internal/rawsock"
	"pathmtu/probe"
	"pathmtu/probe/trace"
	"pathmtu/results"
)

// tracing is the trace of one target.
type tracing struct {
	options traceOptions
	target  target
	record  *results.Record
	report  trace.Report
	capture *capture

	wire *rawsock.Wire // nil: not allowed
	flow *rawsock.Flow // without wire
	raw  error         // why there is no wire
	err  error         // why there is nothing
	core *trace.Trace
}

// openTracing opens all that needs privileges. What goes wrong is told later.
func openTracing(m *measurer, o traceOptions, t target) *tracing {
	r := &tracing{options: o, target: t, record: &results.Record{
		Schema: results.Schema, Tool: toolVersion(), Run: m.run, Time: time.Now().UTC(),
		Target: t.name, Direction: results.Forward, Methods: []results.Method{},
		Vantage: results.Vantage{Name: m.vantage},
	}}
	if r.err = t.err; r.err == nil {
		if err := r.open(); err != nil {
			r.err = fmt.Errorf("host %q: %w", t.name, err)
		}
	}
	return r
}

func (r *tracing) open() error {
	addr := r.target.addr
	r.record.Address, r.record.Family = addr.String(), 6
	if addr.Is4() {
		r.record.Family = 4
	}
	link, err := rawsock.LinkTo(r.options.src, addr)
	if err != nil {
		return err
	}
	r.record.Vantage.Source, r.record.Vantage.Interface, r.record.Vantage.MTU = link.Source.String(), link.Name, link.MTU
	cfg := trace.Config{
		Source: link.Source, Target: addr, Port: uint16(r.options.port), TCPPort: uint16(r.options.tcpPort),
		Attribution: r.options.attribution, FirstHop: min(link.MTU, mostSize), MaxHops: r.options.hops,
		Probes: r.options.probes, Timeout: r.options.timeout, NoOptions: r.options.noOptions,
		Seed: randomSeed(), Budget: trace.Budget{Time: r.options.budget},
	}
	var random [4]byte
	_, _ = rand.Read(random[:])
	cfg.FlowLabel = binary.BigEndian.Uint32(random[:])>>12 | 1 // not 0, which means none
	_, _ = rand.Read(cfg.Key[:])
	var privilege *rawsock.PrivilegeError
	switch r.wire, err = rawsock.OpenWire(link.Source, addr); {
	case errors.As(err, &privilege):
		r.raw, cfg.TCPPort = err, 0
		if r.flow, err = rawsock.OpenUDP(nil, r.options.src, netip.AddrPortFrom(addr, cfg.Port)); err != nil {
			return err
		}
		cfg.SourcePort = r.flow.Local().Port()
	case err != nil:
		return err
	default:
		cfg.Whole, cfg.SourcePort, cfg.TCPSourcePort = true, r.wire.UDPPort(), r.wire.TCPPort()
	}
	r.core, err = trace.New(cfg)
	return err
}

// Close closes the sockets.
func (r *tracing) Close() error {
	var errs []error
	if r.wire != nil {
		errs = append(errs, r.wire.Close())
	}
	if r.flow != nil {
		errs = append(errs, r.flow.Close())
	}
	return errors.Join(errs...)
}

// measure runs the trace and fills the record. The error is one of the sockets.
func (r *tracing) measure(ctx context.Context) error {
	if r.err != nil {
		r.record.Error = r.err.Error()
		return nil
	}
	if err := r.drive(ctx); err != nil {
		return fmt.Errorf("host %q: %w", r.target.name, err)
	}
	r.report = r.core.Report()
	r.report.Fill(r.record)
	return nil
}

// arrival is what came back.
type arrival struct {
	at     time.Time
	packet []byte
	queued *rawsock.Message
}

// receive hands on what comes back until the context ends.
func (r *tracing) receive(ctx context.Context, out chan<- arrival) error {
	for {
		var a arrival
		if r.wire != nil {
			b, at, err := r.wire.Receive(ctx)
			if err != nil {
				return err
			}
			a = arrival{at: at, packet: append([]byte(nil), b...)}
		} else {
			m, err := r.flow.Receive(ctx)
			if err != nil {
				return err
			}
			a = arrival{at: m.At, queued: &m}
		}
		select {
		case out <- a:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// drive is the loop between the core and its sockets: it owns the clock.
func (r *tracing) drive(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.Background())
	inbox := make(chan arrival)
	broken := make(chan error, 1)
	go func() { broken <- r.receive(inner, inbox) }()
	defer func() { cancel(); <-broken }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := r.sendDue(); err != nil {
			return err
		}
		if r.core.Done() {
			return nil
		}
		timer.Reset(time.Until(r.core.Next()))
		select {
		case <-ctx.Done():
			r.core.Interrupt(time.Now())
		case err := <-broken:
			broken <- err
			return err
		case a := <-inbox:
			r.arrived(a)
		case <-timer.C:
		}
	}
}

func (r *tracing) arrived(a arrival) {
	if a.queued == nil {
		if r.core.Received(a.at, a.packet) {
			r.capture.packet(a.at, a.packet)
		}
		return
	}
	if e := a.queued.Error; e != nil {
		r.core.Queued(a.at, trace.QueuedError{From: a.queued.From, Type: e.Type, Code: e.Code, MTU: e.MTU, Payload: e.Quote.Payload})
	}
}

// sendDue sends what the core has to send now.
func (r *tracing) sendDue() error {
	for {
		p, ok := r.core.Poll(time.Now())
		if !ok {
			return nil
		}
		var err error
		if r.wire != nil {
			err = r.wire.Send(p.Data)
		} else {
			err = r.flow.SendLimited(p.Data, p.HopLimit)
		}
		if err == nil {
			if r.wire != nil {
				r.capture.packet(time.Now(), p.Data)
			}
			continue
		}
		var failed *rawsock.SendError
		if !errors.As(err, &failed) {
			return err
		}
		r.core.SendFailed(time.Now(), p.ID, probe.Failure{TooBig: failed.TooBig, Transient: failed.Transient, Err: err})
	}
}

func (r *tracing) print(w io.Writer, json bool) error {
	if json {
		return writeTrace(w, r.record, &r.report)
	}
	return printTrace(w, r.record, &r.report)
}
