package cli

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"pathmtu/internal/rawsock"
	"pathmtu/probe"
	"pathmtu/results"
)

// measurer measures targets. It is safe for concurrent use.
type measurer struct {
	options probeOptions
	hub     *rawsock.Hub
	run     string
	vantage string
}

func newRunID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// measure measures one target by the methods asked for. The record says what
// went wrong, if something did; the error is for a missing privilege.
func (m *measurer) measure(ctx context.Context, t target) (*results.Record, error) {
	r := &results.Record{
		Schema: results.Schema, Tool: toolVersion(), Run: m.run, Time: time.Now().UTC(),
		Target: t.name, Direction: results.RoundTrip, Methods: []results.Method{},
		Vantage: results.Vantage{Name: m.vantage},
	}
	if t.err != nil {
		r.Error = t.err.Error()
		return r, nil
	}
	r.Address, r.Family = t.addr.String(), 6
	if t.addr.Is4() {
		r.Family = 4
	}
	link, err := rawsock.LinkTo(m.options.src, t.addr)
	if err != nil {
		r.Error = fmt.Sprintf("host %q: %v", t.name, err)
		return r, nil
	}
	r.Vantage.Source, r.Vantage.Interface, r.Vantage.MTU = link.Source.String(), link.Name, link.MTU

	if m.options.method == auto {
		m.measureAuto(ctx, r, t, link)
		return r, nil
	}
	return r, m.measureBy(ctx, r, t, link)
}

// measureBy measures by each of the methods that were asked for.
func (m *measurer) measureBy(ctx context.Context, r *results.Record, t target, link rawsock.Link) error {
	methods := m.options.methods()
	var found []probe.Outcome
	var privilege error
	for i, name := range methods {
		if i > 0 && ctx.Err() != nil {
			break
		}
		os, err := m.flowsOf(ctx, name, t, link, task{})
		var p *rawsock.PrivilegeError
		switch {
		case errors.As(err, &p) && i+1 < len(methods):
			r.Evidence = append(r.Evidence, fmt.Sprintf("%s: %v", name, err))
			continue
		case errors.As(err, &p):
			privilege = err
			fallthrough
		case err != nil:
			r.Error = fmt.Sprintf("host %q: %s: %v", t.name, name, err)
			if len(found) == 0 {
				return privilege
			}
			continue
		}
		found = append(found, os...)
	}
	probe.Reconcile(r, found)
	return privilege
}

// flowsOf runs one method in as many flows as were asked for, one after the
// other, so that they don't use up each other's answers. It stops at the first
// that wasn't answered: the others won't be either.
func (m *measurer) flowsOf(ctx context.Context, name string, t target, link rawsock.Link, do task) ([]probe.Outcome, error) {
	var found []probe.Outcome
	for range max(m.options.flows, 1) {
		o, err := m.session(ctx, name, t, link, do)
		if err != nil {
			return found, err
		}
		found = append(found, o)
		if o.PMTU == nil || ctx.Err() != nil {
			break
		}
	}
	return found, nil
}

// task is what a Session is for, if not just for the size.
type task struct {
	question bool       // only whether the host answers
	step     probe.Step // of the choice of methods
}

// session runs one method in one flow.
func (m *measurer) session(ctx context.Context, name string, t target, link rawsock.Link, do task) (probe.Outcome, error) {
	if name == "tcp" && !do.question {
		if o, ok := m.connected(ctx, t, link, do); ok {
			return o, nil
		}
	}
	p, err := m.prepare(name, t, link, do)
	if err != nil {
		return probe.Outcome{}, err
	}
	return p.run(ctx)
}

// prepared is a Session with the flow that it runs in.
type prepared struct {
	*probe.Session
	flow *rawsock.Flow
	name string // of the flow
}

// prepare opens a flow, in the calling goroutine's namespace, and a Session for it.
func (m *measurer) prepare(name string, t target, link rawsock.Link, do task) (prepared, error) {
	target := m.target(t)
	target.Source, target.LinkMTU = link.Source, min(link.MTU, mostSize)
	flow, method, err := m.open(name, target, link)
	if err != nil {
		return prepared{}, err
	}
	return m.prepareFor(flow, method, t, link, do)
}

// target returns t with a key of its own.
func (m *measurer) target(t target) probe.Target {
	target := probe.Target{Addr: t.addr, Attribution: m.options.attribution}
	_, _ = rand.Read(target.Key[:])
	return target
}

// prepareFor makes a Session for an open flow; on failure it closes the flow.
func (m *measurer) prepareFor(flow *rawsock.Flow, method probe.Method, t target, link rawsock.Link, do task) (prepared, error) {
	config := probe.Config{
		Method: method, Target: t.addr, FirstHop: min(link.MTU, mostSize),
		Min: m.options.least, Max: m.options.most,
		Probes: m.options.probes, Timeout: m.options.timeout, Seed: randomSeed(),
		Loss:   m.options.loss,
		Budget: budget(m.options),
	}
	config = do.step.Apply(config)
	if do.question {
		config = config.Question()
	}
	config.Eager = !do.question
	s, err := probe.New(config)
	if err != nil {
		_ = flow.Close()
		return prepared{}, err
	}
	return prepared{s, flow, flowName(flow.Local(), t.addr, method.Traits())}, nil
}

// run drives the Session to its end and closes the flow.
func (p prepared) run(ctx context.Context) (probe.Outcome, error) {
	defer func() { _ = p.flow.Close() }()
	if err := drive(ctx, p.Session, p.flow); err != nil {
		return probe.Outcome{}, err
	}
	o := p.Outcome()
	o.Flow = p.name
	return o, nil
}

// budget leaves room for the comparison of losses: a dozen sizes, in pairs.
func budget(o probeOptions) probe.Budget {
	const sizes = 12
	return probe.Budget{
		Time:    o.budget,
		Packets: probe.DefaultPackets + 2*sizes*o.loss,
		Bytes:   probe.DefaultBytes + int64(sizes)*int64(o.loss)*mostSize,
	}
}

func randomSeed() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// open opens a flow of the kind that a method needs, and the method for it.
func (m *measurer) open(name string, t probe.Target, link rawsock.Link) (flow *rawsock.Flow, method probe.Method, err error) {
	port := m.port(name)
	to := netip.AddrPortFrom(t.Addr, port)
	switch carrier, _ := probe.CarrierOf(name); carrier {
	case probe.ICMPEcho:
		var b [2]byte
		_, _ = rand.Read(b[:])
		flow, err = rawsock.OpenICMP(m.hub, link.Source, t.Addr, binary.BigEndian.Uint16(b[:]))
	case probe.TCP:
		flow, err = rawsock.OpenTCP(m.hub, link.Source, to)
	case probe.IP:
		flow, err = rawsock.OpenIP(m.hub, link.Source, t.Addr)
	default:
		flow, err = rawsock.OpenUDP(m.hub, m.options.src, to)
	}
	if err != nil {
		return nil, nil, err
	}
	if method, err = probe.NewMethod(name, t, port, flow.Local().Port()); err != nil {
		_ = flow.Close()
		return nil, nil, err
	}
	return flow, method, nil
}

// port returns the port that a method's probes go to.
func (m *measurer) port(name string) uint16 {
	if m.options.port != 0 {
		return uint16(m.options.port)
	}
	return probe.DefaultPort(name)
}

func flowName(local netip.AddrPort, dst netip.Addr, t probe.Traits) string {
	if t.Port == 0 {
		return fmt.Sprintf("%v > %v id %d", local.Addr(), dst, local.Port())
	}
	return fmt.Sprintf("%v > %v", local, netip.AddrPortFrom(dst, t.Port))
}
