package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pathmtu/internal/netlab"
)

// path is one network, and what happens to it.
type path struct {
	mtu    int
	family int
	ptb    netlab.PTBMode
	shrink int // the MTU in mid-transfer, 0: it stays as it is
}

// paths are those that each stack is measured on.
func paths() []path {
	var all []path
	for _, ptb := range []netlab.PTBMode{netlab.PTBFiltered, netlab.PTBDelivered} {
		for _, mtu := range []int{1500, 1492, 1420, 1400, 1280, 9000} {
			all = append(all, path{mtu: mtu, family: 4, ptb: ptb})
		}
		all = append(all, path{mtu: 1400, family: 6, ptb: ptb}, path{mtu: 1280, family: 6, ptb: ptb})
		for _, family := range []int{4, 6} {
			all = append(all, path{mtu: 1500, family: family, ptb: ptb, shrink: 1280})
		}
	}
	return all
}

func (p path) narrow() bool  { return p.mtu == 1280 }
func (p path) shrinks() bool { return p.shrink != 0 }

func (p path) String() string {
	s := fmt.Sprintf("IPv%d %d", p.family, p.mtu)
	if p.shrink != 0 {
		s += fmt.Sprintf(" to %d", p.shrink)
	}
	return fmt.Sprintf("%s, PTB %v", s, p.ptb)
}

// oneWay is the delay of the last link.
const oneWay = 10 * time.Millisecond

// topology is the path as a lab. The sender is "cli".
func (p path) topology() netlab.Topology {
	edge := max(p.mtu, 1500)
	t := netlab.Path(edge, p.mtu, netlab.PTB{Mode: p.ptb})
	t.Links[len(t.Links)-1].Delay = &netlab.Delay{OneWay: oneWay, Queue: 4000}
	return t
}

// Amounts that are sent, in bytes: enough, with so much in flight, for the
// slowest search to end, and, where the path shrinks, to go on afterwards.
const (
	inFlight      = 96 << 10
	shortTransfer = 8 << 20
	longTransfer  = 12 << 20
	shrinkAfter   = 8 << 20
	idleTimeout   = 10 * time.Second
	cellTimeout   = 45 * time.Second
)

func (p path) amount() int {
	if p.shrink != 0 {
		return longTransfer
	}
	return shortTransfer
}

// stack sends an amount of bytes from node "cli" to node "srv" of a lab; nil
// says that all of it arrived.
type stack struct {
	name string
	send func(ctx context.Context, lab *netlab.Lab, family, bytes int) error
	on   func(path) bool // the paths that it is for; nil: all
}

type cell struct {
	path  path
	stack stack
}

func (c cell) name() string { return c.stack.name + ", " + c.path.String() }

// measure runs one transfer and watches it.
func (c cell) measure(ctx context.Context) row {
	ctx, cancel := context.WithTimeout(ctx, cellTimeout)
	defer cancel()
	r := row{Stack: c.stack.name, Family: c.path.family, PathMTU: c.path.mtu, PTB: c.path.ptb.String(), ShrinkTo: c.path.shrink, Bytes: c.path.amount()}
	lab, err := netlab.Build(ctx, c.path.topology())
	if err != nil {
		r.Error = err.Error()
		return r
	}
	defer lab.Close()
	w := &watch{}
	if c.path.shrink != 0 {
		w.shrink = func() error { return setBottleneck(lab, c.path.shrink) }
	}
	taps, err := w.open(lab)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	began := time.Now()
	err = c.stack.send(ctx, lab, c.path.family, c.path.amount())
	r.Seconds = time.Since(began).Seconds()
	for _, t := range taps {
		if n, e := t.Lost(); e != nil || n > 0 {
			r.Missed += n
		}
		_ = t.Close()
	}
	err = errors.Join(err, w.report(&r))
	r.Completed = err == nil
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

func setBottleneck(lab *netlab.Lab, mtu int) error {
	if err := lab.SetMTU("r1", "r2", mtu); err != nil {
		return err
	}
	return lab.SetMTU("r2", "r1", mtu)
}
