package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pathmtu/internal/datapath"
	"pathmtu/internal/router"
)

// routerSample is one counter of the router, for metrics and for the report.
type routerSample struct {
	name, help string
	label      string // name of the label; empty: none
	value      string // of the label
	n          uint64
}

// routerSamples lists all counters, in a fixed order of names.
func routerSamples(s datapath.UserRouterStats) []routerSample {
	var out []routerSample
	add := func(name, help, label, value string, n uint64) {
		out = append(out, routerSample{name, help, label, value, n})
	}
	r := s.Router
	for i, n := range r.Reasons {
		add("packets_total", "Packets by what became of them in user space.", "reason", router.Reason(i).String(), n)
	}
	add("forwarded_bytes_total", "Bytes of IP packets forwarded in user space.", "", "", r.Bytes)
	add("same_port_total", "Packets forwarded out of the port they came in.", "", "", r.SamePort)
	add("fast_forwarded_total", "Packets redirected by the XDP fast path.", "", "", s.Fast.Forwarded)
	add("fast_min_pmtu_lowered_total", "Packets of the XDP fast path whose Min-PMTU was lowered.", "", "", s.Fast.Rewritten)
	add("hop_by_hop_total", "Packets whose Hop-by-Hop header was looked at.", "", "", r.HopByHop)
	add("options_skipped_total", "Hop-by-Hop options skipped.", "", "", r.Skipped)
	add("min_pmtu_options_total", "Options 0x30 by what was done with them.", "outcome", "lowered", r.MinPMTU.Lowered)
	add("min_pmtu_options_total", "", "outcome", "kept", r.MinPMTU.Kept)
	add("min_pmtu_options_total", "", "outcome", "bad_length", r.MinPMTU.BadLength)
	add("min_pmtu_duplicates_total", "Packets with more than one option 0x30.", "", "", r.MinPMTU.Duplicates)
	add("hop_by_hop_malformed_total", "Packets with a malformed Hop-by-Hop header.", "", "", r.MinPMTU.Malformed)
	add("truncated_total", "Packets cut and forwarded.", "", "", r.Truncated)
	add("truncate_refused_total", "Packets too big whose truncation options did not get them through, by why.", "why", "options", r.TruncateRefused)
	add("truncate_refused_total", "", "why", "budget", r.TruncateBudget)
	for typ, n := range r.ICMPSent {
		if typ > 0 {
			add("icmp_errors_total", "ICMPv6 errors sent, by type.", "type", strconv.Itoa(typ), n)
		}
	}
	add("icmp_suppressed_total", "ICMPv6 errors not sent, by why.", "why", "rfc4443", r.ICMPSilent)
	add("icmp_suppressed_total", "", "why", "budget", r.ICMPBudget)
	add("icmp_suppressed_total", "", "why", "no_path", r.ICMPNoPath)
	add("slow_total", "Packets sent by the kernel, which had to resolve or check the next hop.", "", "", s.Forwarding.Slow)
	add("slow_dropped_total", "Of those, packets dropped.", "", "", s.Forwarding.SlowDropped)
	return out
}

// portSamples lists the counters of one port.
func portSamples(name string, p datapath.Stats) []routerSample {
	return []routerSample{
		{"port_rx_packets_total", "Packets received in user space.", "port", name, p.RxPackets},
		{"port_rx_bytes_total", "Bytes of IP packets received in user space.", "port", name, p.RxBytes},
		{"port_tx_packets_total", "Packets sent from user space.", "port", name, p.TxPackets},
		{"port_tx_bytes_total", "Bytes of IP packets sent from user space.", "port", name, p.TxBytes},
		{"port_rx_dropped_total", "Packets dropped before user space for want of room.", "port", name, p.RxDropped},
		{"port_tx_dropped_total", "Packets not sent for want of room.", "port", name, p.TxDropped},
		{"port_unsegmented_total", "Frames of a sender's segmentation offload, dropped.", "port", name, p.GSO},
		{"port_malformed_total", "Frames without a whole IPv6 packet, dropped.", "port", name, p.Malformed},
	}
}

// routerCollector reads the counters when they are asked for.
type routerCollector struct{ u *datapath.UserRouter }

// Describe sends nothing: the labels of ports are only known when asked.
func (routerCollector) Describe(chan<- *prometheus.Desc) {}

func (c routerCollector) Collect(ch chan<- prometheus.Metric) {
	s, ok := c.u.Stats()
	if !ok {
		return
	}
	samples := routerSamples(s)
	for _, in := range c.u.Ports() {
		samples = append(samples, portSamples(in.Name, s.Ports[in.Name])...)
	}
	help := map[string]string{}
	for _, m := range samples {
		if m.help != "" {
			help[m.name] = m.help
		}
		var labels, values []string
		if m.label != "" {
			labels, values = []string{m.label}, []string{m.value}
		}
		d := prometheus.NewDesc("pmtu_router_"+m.name, help[m.name], labels, nil)
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(m.n), values...)
	}
	ch <- prometheus.MustNewConstMetric(prometheus.NewDesc("pmtu_router_routes", "Prefixes in the table.", nil, nil), prometheus.GaugeValue, float64(s.Routes))
}

// serveMetrics serves Prometheus metrics until the returned function is called.
func serveMetrics(ctx context.Context, addr string, u *datapath.UserRouter) (stop func(), err error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, addr = "unix", path
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	reg := prometheus.NewRegistry()
	if err := reg.Register(routerCollector{u}); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 14}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintf(os.Stderr, "pmtu router: metrics: %v\n", err)
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
		<-done
	}, nil
}

// routerReport is the JSON object at the end: the metrics' names and labels,
// nested.
func routerReport(s datapath.UserRouterStats) map[string]any {
	out := map[string]any{}
	put := func(m map[string]any, key string, x routerSample) {
		if x.label == "" {
			m[key] = x.n
			return
		}
		sub, _ := m[key].(map[string]uint64)
		if sub == nil {
			sub = map[string]uint64{}
			m[key] = sub
		}
		sub[x.value] = x.n
	}
	for _, x := range routerSamples(s) {
		put(out, strings.TrimSuffix(x.name, "_total"), x)
	}
	ports := map[string]any{}
	for name, p := range s.Ports {
		one := map[string]any{}
		for _, x := range portSamples(name, p) {
			one[strings.TrimSuffix(strings.TrimPrefix(x.name, "port_"), "_total")] = x.n
		}
		ports[name] = one
	}
	out["ports"] = ports
	out["routes"] = s.Routes
	return out
}
