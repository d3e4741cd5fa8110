package cli

import (
	"context"
	"sync"

	"pathmtu/internal/rawsock"
	"pathmtu/probe"
	"pathmtu/results"
)

// measureAuto asks the host what it answers, measures by that, and records all
// that was tried.
func (m *measurer) measureAuto(ctx context.Context, r *results.Record, t target, link rawsock.Link) {
	a := probe.NewAuto()
	for step, ok := a.Next(); ok && ctx.Err() == nil; step, ok = a.Next() {
		if step.Ask != nil {
			m.ask(ctx, a, step.Ask, t, link)
			continue
		}
		os, err := m.flowsOf(ctx, step.Measure, t, link, task{step: step})
		if err != nil {
			a.Unable(step.Measure, err)
		}
		a.Measured(os)
	}
	switch found := a.Found(); {
	case len(found) > 0:
		probe.Reconcile(r, found)
		r.Methods = append(r.Methods, a.Others()...)
	case ctx.Err() != nil:
		r.Error, r.Methods = results.Interrupted, append(r.Methods, a.Others()...)
	default:
		probe.Reconcile(r, a.Silent())
	}
}

// ask asks by several methods at the same time whether the host answers.
func (m *measurer) ask(ctx context.Context, a *probe.Auto, names []string, t target, link rawsock.Link) {
	outcomes, errs := make([]probe.Outcome, len(names)), make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		p, err := m.prepare(name, t, link, task{question: true})
		if err != nil {
			errs[i] = err
			continue
		}
		wg.Go(func() { outcomes[i], errs[i] = p.run(ctx) })
	}
	wg.Wait()
	for i, name := range names {
		if errs[i] != nil {
			a.Unable(name, errs[i])
			continue
		}
		a.Asked(name, outcomes[i])
	}
}
