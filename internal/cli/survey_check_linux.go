package cli

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"

	"pathmtu/probe/survey"
)

// check refuses flags that are out of range, and fills in the configuration.
func (o *surveyFlags) check(args []string) error {
	if len(args) == 0 && len(o.inputs) == 0 {
		return usagef("no targets: give addresses, prefixes, or --input FILE")
	}
	if o.batch < 1 || o.batch > survey.MostEntries {
		return usagef("--batch %d: want 1 to %d", o.batch, survey.MostEntries)
	}
	if o.port < 1 || o.port > 65535 {
		return usagef("--port %d: want 1 to 65535", o.port)
	}
	o.cfg.Port = uint16(o.port)
	for _, name := range o.methods {
		k, err := survey.ParseKind(name)
		if err != nil {
			return usagef("--method %q: want icmp, udp, quic or dns", name)
		}
		o.cfg.Methods = append(o.cfg.Methods, k)
	}
	for _, b := range []struct {
		flag, text string
		packets    float64
		to         *survey.Rates
	}{
		{"bandwidth", o.bandwidth, o.rate, &o.cfg.Total},
		{"net-bandwidth", o.netBandwidth, o.netRate, &o.cfg.PerNet},
		{"as-bandwidth", o.asBandwidth, o.asRate, &o.cfg.PerAS},
	} {
		bits, err := parseBits(b.text)
		if err != nil {
			return usagef("--%s %q: want bits a second, such as 500K or 10M", b.flag, b.text)
		}
		*b.to = survey.Rates{Packets: b.packets, Bits: bits}
	}
	if o.cfg.PerAS != (survey.Rates{}) && o.origins == "" {
		return usagef("--as-rate and --as-bandwidth need --origins")
	}
	if err := o.checkShard(); err != nil {
		return err
	}
	if err := o.checkAttribution(); err != nil {
		return err
	}
	if o.resume && o.output == "-" {
		return usagef("--resume: needs --output FILE")
	}
	if o.lab {
		return checkLab()
	}
	return nil
}

func (o *surveyFlags) checkShard() error {
	i, n, ok := strings.Cut(o.shard, "/")
	a, err1 := strconv.ParseUint(i, 10, 32)
	b, err2 := strconv.ParseUint(n, 10, 32)
	if !ok || err1 != nil || err2 != nil || a >= b {
		return usagef("--shard %q: want I/N with I below N, such as 0/4", o.shard)
	}
	o.cfg.Shard, o.cfg.Shards = a, b
	if b > 1 && !o.seedGiven {
		return usagef("--shard %s: needs --seed, the same for all shards", o.shard)
	}
	o.cfg.Seed = o.seed
	return nil
}

// checkAttribution keeps to RFC 9511 section 2.1.
func (o *surveyFlags) checkAttribution() error {
	if o.attribution == "" {
		if o.anonymous || o.lab {
			return nil
		}
		return usagef("--attribution: want a URI that says who measures and why, or --no-attribution")
	}
	if len(o.attribution) > survey.MostAttribution {
		return usagef("--attribution of %d bytes: want at most %d", len(o.attribution), survey.MostAttribution)
	}
	u, err := url.Parse(o.attribution)
	if err != nil || u.Scheme != "https" && u.Scheme != "mailto" && u.Scheme != "tel" || strings.ContainsRune(o.attribution, 0) {
		return usagef("--attribution %q: want an https, mailto or tel URI", o.attribution)
	}
	o.cfg.Attribution = o.attribution
	return nil
}

// checkLab refuses --lab where the network may lead somewhere: it wants a
// network namespace that isn't that of every process this one descends from.
func checkLab() error {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	for pid := os.Getppid(); pid > 0; pid = parentOf(pid) {
		theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err == nil && theirs != own {
			return nil
		}
	}
	return usagef("--lab: only in a network namespace of its own, as \"pmtu lab internet run\" makes one")
}

// parentOf returns the parent of a process; 0: it has none, or is gone.
func parentOf(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The command's name, in brackets, may hold anything.
	_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
	f := strings.Fields(rest)
	if len(f) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(f[1])
	return ppid
}

// parseBits reads a number with K, M or G.
func parseBits(s string) (float64, error) {
	factor := 1.0
	digits := s
	for suffix, f := range map[string]float64{"K": 1e3, "M": 1e6, "G": 1e9} {
		if d, ok := strings.CutSuffix(s, suffix); ok {
			digits, factor = d, f
		}
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(v >= 0 && v*factor <= 1e12) {
		return 0, fmt.Errorf("%q is no number of bits", s)
	}
	return v * factor, nil
}

// sources returns the addresses that were given, by family.
func (o *surveyFlags) sources() (v4, v6 netip.Addr, err error) {
	for _, s := range o.source {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return v4, v6, usagef("--source %q: want an IP address", s)
		}
		if a = a.Unmap(); a.Is4() {
			v4 = a
		} else {
			v6 = a
		}
	}
	return v4, v6, nil
}
