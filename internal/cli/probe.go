package cli

import (
	"context"
	"errors"
	"net/netip"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pathmtu/internal/rawsock"
	"pathmtu/probe"
	"pathmtu/results"
)

// Bounds of flags.
const (
	mostSize  = 65535
	mostHosts = 4096
	mostJobs  = 64
	mostFlows = 64
	leastLoss = 10 // fewer can't tell anything
	mostLoss  = 10000
)

// probeOptions are the flags of "pmtu probe".
type probeOptions struct {
	method      string
	v4, v6      bool
	port        int
	least, most int
	timeout     time.Duration
	budget      time.Duration
	probes      int
	jobs        int
	loss        int
	flows       int
	source      string
	attribution string
	json        bool

	src netip.Addr
}

func newProbeCommand() *cobra.Command {
	var o probeOptions
	cmd := &cobra.Command{
		Use:   "probe HOST...",
		Short: "Measure the usable path MTU to hosts, now",
		Long: `Probe finds the largest IP packet that arrives at each HOST, by sending packets that
must not be fragmented. It reports a size only if a packet of exactly that size was
answered and the next larger one was not, or is more than the first hop carries.

Methods:
  icmp   echo requests. The answer is as large: both ways are measured.
  udp    datagrams to a closed port (--port). The answer is small: the way there.
  quic   long header packets of an unknown version, to a QUIC server: the way there,
         from 1228 bytes (IPv4) or 1248 (IPv6), as servers ignore what is smaller.
  dns    queries with an option that servers ignore, to a DNS server: the way there.
         Some servers answer up to a limit of their own only.
  stun   Binding requests with an attribute that servers ignore, to a STUN server:
         the way there, in steps of 4 bytes.
  ntp    requests with an extension field, to an NTP server: the way there, in steps
         of 4 bytes. Few servers answer these, and those up to 1140 bytes.
  tcp    to any port. An open one: segments of a connection, of data that seems to have
         come before, so that the application sees none of it, up to the size that the
         host asks for. A closed one, or a host that doesn't tell which data it got
         twice: SYNs with data, which are acknowledged or reset. No connection remains.
         The way there.
  udpopt datagrams without data and with an echo request among their UDP Options
         (RFC 9868), to a port where a host answers these: the way there.
  hbh    IPv6 only: echo requests with the Minimum Path MTU Hop-by-Hop option
         (RFC 9268). What a host returns of it is the size that is tried next. Both ways.
  truncate
         IPv6 only: echo requests that routers may truncate
         (draft-leddy-6man-truncate). What the host says of the length that arrived is
         the size that is tried next. Both ways.
  auto   measures by udp. If that isn't answered, it asks the host by icmp and tcp, then, if
         tcp isn't answered either, by quic, dns, stun and ntp, in 1 or 2 small packets
         each, and measures by the first of tcp, quic, dns, stun, ntp and icmp that is
         answered. It lets icmp confirm the size, as its answers have to get back. Others
         follow only if a server may be silent above a size of its own. The record names
         every method that was tried.

Several methods, as in --method icmp,dns, are reconciled: silence of a server above
a size that another method got through is the server's limit, not the path's.

icmp needs CAP_NET_RAW or a group in net.ipv4.ping_group_range; tcp, udpopt, hbh and
truncate need CAP_NET_RAW; the others need nothing.`,
		Example: "  pmtu probe example.net\n  pmtu probe -6 --json --method udp 2001:db8::1 fe80::1%eth0",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, hosts []string) error {
			if err := o.check(hosts); err != nil {
				return err
			}
			return runProbe(cmd, o, hosts)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.method, "method", auto, strings.Join(probe.Names(), ", ")+", or several of them, or auto")
	f.BoolVarP(&o.v4, "ipv4", "4", false, "IPv4 (with -6: both)")
	f.BoolVarP(&o.v6, "ipv6", "6", false, "IPv6 (with -4: both)")
	f.IntVar(&o.port, "port", 0, "UDP port (0: 33434 for udp, where nobody should listen; 443 quic, 53 dns, 3478 stun, 123 ntp, 80 tcp, 7 udpopt)")
	f.IntVar(&o.least, "min", 0, "smallest size of interest, bytes of IP packet (0: no bound)")
	f.IntVar(&o.most, "max", 0, "largest size to try, bytes of IP packet (0: what the first hop carries)")
	f.DurationVar(&o.timeout, "timeout", probe.DefaultTimeout, "longest wait for an answer")
	f.DurationVar(&o.budget, "time", 60*time.Second, "longest time for one method and host")
	f.IntVar(&o.probes, "probes", probe.DefaultProbes, "times that a size is lost before it is given up, 1 to 10")
	f.IntVar(&o.loss, "loss", 0, "packets of a size to compare its losses with those of small packets (0: don't)")
	f.IntVar(&o.flows, "flows", 1, "flows by each method, from different ports or identifiers: their paths may differ")
	f.IntVar(&o.jobs, "jobs", 16, "hosts measured at the same time")
	f.StringVar(&o.source, "source", "", "source address")
	f.StringVar(&o.attribution, "attribution", "", "URI put into each probe that says who measures and why (RFC 9511)")
	f.BoolVar(&o.json, "json", false, "one JSON record a line on standard output")
	return cmd
}

// check refuses values that are out of range, naming them.
func (o *probeOptions) check(hosts []string) error {
	for i, name := range o.methods() {
		if !slices.Contains(probe.Names(), name) {
			return usagef("--method %q: want %s or auto", name, strings.Join(probe.Names(), ", "))
		}
		if slices.Contains(o.methods()[:i], name) {
			return usagef("--method %q: %s more than once", o.method, name)
		}
	}
	if o.port < 0 || o.port > 65535 {
		return usagef("--port %d: want 1 to 65535, or 0 for the method's own", o.port)
	}
	if o.port != 0 && slices.Contains(probe.Names(), o.method) && probe.DefaultPort(o.method) == 0 {
		return usagef("--port %d: method %s has no ports", o.port, o.method)
	}
	if o.port != 0 && o.method == auto {
		return usagef("--port %d: name a --method with it, as each has a port of its own", o.port)
	}
	if o.least < 0 || o.least > mostSize {
		return usagef("--min %d: want 0 to %d bytes", o.least, mostSize)
	}
	if o.most != 0 && (o.most < leastMax || o.most > mostSize) {
		return usagef("--max %d: want %d to %d bytes", o.most, leastMax, mostSize)
	}
	if o.most != 0 && o.least > o.most {
		return usagef("--min %d: is more than --max %d", o.least, o.most)
	}
	if o.timeout < 10*time.Millisecond || o.timeout > time.Minute {
		return usagef("--timeout %v: want 10ms to 1m", o.timeout)
	}
	if o.budget < time.Second || o.budget > time.Hour {
		return usagef("--time %v: want 1s to 1h", o.budget)
	}
	if o.probes < 1 || o.probes > 10 {
		return usagef("--probes %d: want 1 to 10", o.probes)
	}
	if o.loss != 0 && (o.loss < leastLoss || o.loss > mostLoss) {
		return usagef("--loss %d: want %d to %d packets, or 0 for none", o.loss, leastLoss, mostLoss)
	}
	if o.flows < 1 || o.flows > mostFlows {
		return usagef("--flows %d: want 1 to %d", o.flows, mostFlows)
	}
	if o.jobs < 1 || o.jobs > mostJobs {
		return usagef("--jobs %d: want 1 to %d", o.jobs, mostJobs)
	}
	if len(hosts) > mostHosts {
		return usagef("%d hosts: want at most %d", len(hosts), mostHosts)
	}
	for _, host := range hosts {
		if err := checkHost(host); err != nil {
			return err
		}
	}
	if len(o.attribution) > mostAttribution {
		return usagef("--attribution of %d bytes: want at most %d", len(o.attribution), mostAttribution)
	}
	if o.source != "" {
		a, err := netip.ParseAddr(o.source)
		if err != nil {
			return usagef("--source %q: want an IP address", o.source)
		}
		o.src = a.Unmap()
		if o.src.Is4() && o.v6 && !o.v4 || !o.src.Is4() && o.v4 && !o.v6 {
			return usagef("--source %q: is of the other address family", o.source)
		}
	}
	return nil
}

// auto, as a method, leaves the choice to the program.
const auto = "auto"

// methods returns the names of the methods asked for, in order; of auto, none.
func (o *probeOptions) methods() []string {
	if o.method == auto {
		return nil
	}
	return strings.Split(o.method, ",")
}

const (
	leastMax        = 68
	mostAttribution = probe.MaxAttribution
)

func runProbe(cmd *cobra.Command, o probeOptions, hosts []string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	hub, err := openHub(o)
	if err != nil {
		return err
	}
	if hub != nil {
		defer func() { _ = hub.Close() }()
	}
	m := &measurer{options: o, hub: hub, run: newRunID(), vantage: hostname()}
	rep := newReporter(cmd.OutOrStdout(), cmd.ErrOrStderr(), o.json, len(hosts))
	all, failed := 0, 0
	var privilege *rawsock.PrivilegeError
	err = measureAll(ctx, m, hosts, o.jobs, func(r *results.Record, err error) error {
		all++
		if r.PMTU == nil {
			failed++
		}
		if privilege == nil {
			errors.As(err, &privilege)
		}
		return rep.record(r)
	})
	rep.close()
	switch {
	case err != nil:
		return err
	case privilege != nil:
		return privilegeError{privilege, "--method udp"}
	case failed > 0:
		return notMeasured{failed, all}
	}
	return nil
}

// wholePackets says whether a method needs sockets for whole IP packets.
func wholePackets(method string) bool {
	c, ok := probe.CarrierOf(method)
	return ok && c == probe.IP
}

// dropPrivileges acts on the whole process, which is more than a test wants.
var dropPrivileges = rawsock.DropPrivileges

// openHub opens raw sockets if the process may have them and the methods gain
// by it, and then gives up its privileges.
func openHub(o probeOptions) (*rawsock.Hub, error) {
	hub, err := rawsock.OpenHub()
	if err == nil && slices.ContainsFunc(o.methods(), wholePackets) {
		if err = hub.CarryIP(); err != nil {
			_ = hub.Close()
		}
	}
	var privilege *rawsock.PrivilegeError
	if errors.As(err, &privilege) {
		return nil, nil // unprivileged sockets may do
	}
	if err != nil {
		return nil, err
	}
	_ = dropPrivileges() // best effort: see its documentation
	return hub, nil
}

// measureAll measures the hosts, some at a time, and hands on each record as
// soon as it is there, in the calling goroutine.
func measureAll(ctx context.Context, m *measurer, hosts []string, jobs int, each func(*results.Record, error) error) error {
	type done struct {
		record *results.Record
		err    error
	}
	work := make(chan string)
	out := make(chan []done)
	go func() {
		defer close(work)
		for _, h := range hosts {
			work <- h // measured even after an interrupt, which it then reports
		}
	}()
	for range min(jobs, len(hosts)) {
		go func() {
			for h := range work {
				var ds []done
				for _, t := range m.targets(ctx, h) {
					r, err := m.measure(ctx, t)
					ds = append(ds, done{r, err})
				}
				out <- ds
			}
		}()
	}
	var failed error
	for range hosts {
		for _, d := range <-out {
			if err := each(d.record, d.err); err != nil && failed == nil {
				failed = err
			}
		}
	}
	return failed
}
