package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pathmtu/internal/rawsock"
	"pathmtu/probe"
	"pathmtu/probe/trace"
)

// traceOptions are the flags of "pmtu trace".
type traceOptions struct {
	v4, v6      bool
	port        int
	tcpPort     int
	hops        int
	probes      int
	timeout     time.Duration
	budget      time.Duration
	noOptions   bool
	source      string
	attribution string
	pcap        string
	json        bool

	src netip.Addr
}

func newTraceCommand() *cobra.Command {
	var o traceOptions
	cmd := &cobra.Command{
		Use:   "trace HOST",
		Short: "Show hop by hop where the path MTU shrinks, and what routers do to options",
		Long: `Trace lists the routers on the way to HOST and finds after which of them packets have to
be smaller, whether that router says so (Packet Too Big) or drops them in silence, and
whether what it says is true. To IPv6 hosts it also sends the Minimum Path MTU option
(RFC 9268), other Hop-by-Hop options and Destination Options, and tells who changes or
drops them. A TCP SYN to each hop (--tcp-port) shows who changes the MSS.

All UDP probes have the same addresses, ports and flow label, so that routers which
balance load send them the same way.

It needs CAP_NET_RAW. Without it hops and bottleneck are still found, by plain UDP
sockets; options, MSS and --pcap are left out.`,
		Example: "  pmtu trace example.net\n  pmtu trace -6 --json --pcap trace.pcapng 2001:db8::1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, hosts []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if err := checkHost(hosts[0]); err != nil {
				return err
			}
			return runTrace(cmd, o, hosts[0])
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.v4, "ipv4", "4", false, "IPv4 (with -6: both)")
	f.BoolVarP(&o.v6, "ipv6", "6", false, "IPv6 (with -4: both)")
	f.IntVar(&o.port, "port", int(probe.DefaultPort("udp")), "UDP port, which should be closed")
	f.IntVar(&o.tcpPort, "tcp-port", 443, "TCP port that SYNs go to (0: send none)")
	f.IntVar(&o.hops, "max-hops", trace.DefaultMaxHops, "how far to look, 1 to 64")
	f.IntVar(&o.probes, "probes", trace.DefaultProbes, "times that a packet is lost before it is given up, 1 to 10")
	f.DurationVar(&o.timeout, "timeout", trace.DefaultTimeout, "longest wait for an answer")
	f.DurationVar(&o.budget, "time", trace.DefaultTime, "longest time for all")
	f.BoolVar(&o.noOptions, "no-options", false, "send no extension headers")
	f.StringVar(&o.source, "source", "", "source address")
	f.StringVar(&o.attribution, "attribution", "", "URI put into each UDP probe that says who measures and why (RFC 9511)")
	f.StringVar(&o.pcap, "pcap", "", "pcapng file for every packet sent and received")
	f.BoolVar(&o.json, "json", false, "one JSON record a line on standard output")
	return cmd
}

// check refuses values that are out of range, naming them.
func (o *traceOptions) check() error {
	if o.port < 1 || o.port > 65535 {
		return usagef("--port %d: want 1 to 65535", o.port)
	}
	if o.tcpPort < 0 || o.tcpPort > 65535 {
		return usagef("--tcp-port %d: want 0 to 65535", o.tcpPort)
	}
	if o.hops < 1 || o.hops > 64 {
		return usagef("--max-hops %d: want 1 to 64", o.hops)
	}
	if o.probes < 1 || o.probes > 10 {
		return usagef("--probes %d: want 1 to 10", o.probes)
	}
	if o.timeout < 10*time.Millisecond || o.timeout > time.Minute {
		return usagef("--timeout %v: want 10ms to 1m", o.timeout)
	}
	if o.budget < time.Second || o.budget > time.Hour {
		return usagef("--time %v: want 1s to 1h", o.budget)
	}
	if len(o.attribution) > mostAttribution {
		return usagef("--attribution of %d bytes: want at most %d", len(o.attribution), mostAttribution)
	}
	if o.source == "" {
		return nil
	}
	a, err := netip.ParseAddr(o.source)
	if err != nil {
		return usagef("--source %q: want an IP address", o.source)
	}
	if o.src = a.Unmap(); o.src.Is4() && o.v6 && !o.v4 || !o.src.Is4() && o.v4 && !o.v6 {
		return usagef("--source %q: is of the other address family", o.source)
	}
	return nil
}

// withoutRaw is what works without CAP_NET_RAW.
const withoutRaw = "hops and bottleneck, without --pcap"

func runTrace(cmd *cobra.Command, o traceOptions, host string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	m := &measurer{options: probeOptions{v4: o.v4, v6: o.v6, src: o.src}, run: newRunID(), vantage: hostname()}
	var runs []*tracing
	defer func() {
		for _, r := range runs {
			_ = r.Close()
		}
	}()
	failed := 0
	for _, t := range m.targets(ctx, host) {
		r := openTracing(m, o, t)
		runs = append(runs, r)
		var privilege *rawsock.PrivilegeError
		if errors.As(r.raw, &privilege) {
			if o.pcap != "" {
				return privilegeError{privilege, withoutRaw}
			}
			_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v. Without it: %s\n", cmd.CommandPath(), privilege, withoutRaw)
		}
	}
	file, err := createCapture(o.pcap)
	if err != nil {
		return err
	}
	_ = dropPrivileges() // best effort: see its documentation
	for _, r := range runs {
		r.capture = file
		if err := r.measure(ctx); err != nil {
			return err
		}
		if r.record.PMTU == nil {
			failed++
		}
		if err := r.print(cmd.OutOrStdout(), o.json); err != nil {
			return err
		}
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("--pcap %q: %w", o.pcap, err)
	}
	if failed > 0 {
		return notMeasured{failed, len(runs)}
	}
	return nil
}
