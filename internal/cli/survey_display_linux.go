package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pathmtu/probe/survey/surveyor"
)

// surveyDisplay shows how far a survey is: to people on a terminal, and to
// Prometheus.
type surveyDisplay struct {
	err    io.Writer
	bar    progress
	latest atomic.Pointer[surveyor.Status]
	server *http.Server
	began  time.Time
}

func newSurveyDisplay(ctx context.Context, w io.Writer, metrics string) (*surveyDisplay, error) {
	d := &surveyDisplay{err: w, bar: newProgress(w, "surveying", -1), began: time.Now()}
	d.latest.Store(&surveyor.Status{})
	if metrics == "" {
		return d, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", metrics)
	if err != nil {
		return nil, usagef("--metrics %q: %w", metrics, err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(d.registry(), promhttp.HandlerOpts{}))
	d.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := d.server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			_, _ = fmt.Fprintf(w, "metrics: %v\n", err)
		}
	}()
	return d, nil
}

func (d *surveyDisplay) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	counter := func(name, help string, value func(*surveyor.Status) uint64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "pmtu", Subsystem: "survey", Name: name, Help: help},
			func() float64 { return float64(value(d.latest.Load())) }))
	}
	gauge := func(name, help string, value func(*surveyor.Status) float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "pmtu", Subsystem: "survey", Name: name, Help: help},
			func() float64 { return value(d.latest.Load()) }))
	}
	gauge("targets", "Targets that are known so far.", func(s *surveyor.Status) float64 { return float64(s.Targets) })
	gauge("active_targets", "Targets that are being measured.", func(s *surveyor.Status) float64 { return float64(s.Active) })
	counter("begun_total", "Targets whose measurement began.", func(s *surveyor.Status) uint64 { return s.Begun })
	counter("finished_total", "Targets with a result.", func(s *surveyor.Status) uint64 { return s.Finished })
	counter("measured_total", "Targets with a path MTU.", func(s *surveyor.Status) uint64 { return s.Measured })
	counter("unresponsive_total", "Targets that didn't answer.", func(s *surveyor.Status) uint64 { return s.Silent })
	counter("unfinished_total", "Targets that ended without a verdict.", func(s *surveyor.Status) uint64 { return s.Errors })
	counter("packets_sent_total", "Packets sent.", func(s *surveyor.Status) uint64 { return s.Packets })
	counter("bytes_sent_total", "Bytes of IP packets sent.", func(s *surveyor.Status) uint64 { return s.Bytes })
	counter("send_failures_total", "Packets that could not be sent.", func(s *surveyor.Status) uint64 { return s.Failed })
	counter("answers_total", "Genuine answers.", func(s *surveyor.Status) uint64 { return s.Answers })
	counter("rejected_total", "Answers that were not genuine.", func(s *surveyor.Status) uint64 { return s.Rejected })
	counter("late_total", "Genuine answers about finished targets.", func(s *surveyor.Status) uint64 { return s.Late })
	counter("deferred_total", "Packets that waited for the rate of their network or AS.", func(s *surveyor.Status) uint64 { return s.Deferred })
	return r
}

func (d *surveyDisplay) observe(s surveyor.Status) {
	d.latest.Store(&s)
	took := time.Since(d.began).Seconds()
	d.bar.set(s.Finished, s.Targets, fmt.Sprintf("%d active, %.0f packets/s, %.1f Mbit/s", s.Active, float64(s.Packets)/took, float64(s.Bytes)*8/took/1e6))
}

// close tells people what came out.
func (d *surveyDisplay) close(s surveyor.Status) {
	if d.server != nil {
		_ = d.server.Close()
	}
	d.bar.close()
	_, _ = fmt.Fprintf(d.err, "%d targets: %d measured, %d unresponsive, %d other; %d skipped; %d packets, %d bytes sent in %v\n",
		s.Finished, s.Measured, s.Silent, s.Other+s.Errors, s.Skipped, s.Packets, s.Bytes, time.Since(d.began).Round(time.Millisecond))
}
