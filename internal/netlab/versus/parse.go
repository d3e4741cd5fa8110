package versus

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

var (
	// scamperHop is a line of scamper's text output: hop, address, time and, in
	// brackets, the MTU up to there, with a star where it is a guess from silence.
	scamperHop = regexp.MustCompile(`^ *\d+  (\S+)  [\d.]+ ms(?: \[(\*?)mtu: (\d+)\])?`)
	// tracepathHop is a line of tracepath's output for something that answered.
	tracepathHop = regexp.MustCompile(`^ *\d+: +(\S+) +[\d.]+ms +(?:asymm +\d+ +)?(?:pmtu (\d+)|(reached))?`)
	tracepathEnd = regexp.MustCompile(`(?m)^ *Resume: pmtu (\d+)`)
	nmapExact    = regexp.MustCompile(`path-mtu: PMTU == (\d+)`)
	nmapRange    = regexp.MustCompile(`path-mtu: (\d+) <= PMTU < (\d+)`)
)

// ReadScamper reads the text output of scamper's trace with path MTU discovery.
// It says nothing about a path whose end did not answer.
func ReadScamper(stdout []byte, target netip.Addr) (r Reading) {
	last := ""
	for line := range strings.Lines(string(stdout)) {
		m := scamperHop.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		if mtu, err := strconv.Atoi(m[3]); err == nil && mtu != r.MTU {
			r = Reading{MTU: mtu, Inferred: m[2] == "*", Router: last}
		}
		last = m[1]
	}
	if last != target.String() {
		return Reading{}
	}
	return r
}

// ReadTracepath reads the output of tracepath. It says nothing about a path whose
// end it did not reach.
func ReadTracepath(stdout []byte, target netip.Addr) (r Reading) {
	reached := false
	for line := range strings.Lines(string(stdout)) {
		m := tracepathHop.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if m[2] != "" {
			r.Router = m[1]
		}
		reached = reached || m[3] != "" && m[1] == target.String()
	}
	end := tracepathEnd.FindSubmatch(stdout)
	if !reached || end == nil {
		return Reading{}
	}
	r.MTU, _ = strconv.Atoi(string(end[1]))
	return r
}

// ReadNmap reads what nmap's script path-mtu says.
func ReadNmap(stdout []byte, _ netip.Addr) (r Reading) {
	if m := nmapExact.FindSubmatch(stdout); m != nil {
		r.MTU, _ = strconv.Atoi(string(m[1]))
	} else if m := nmapRange.FindSubmatch(stdout); m != nil {
		r.Low, _ = strconv.Atoi(string(m[1]))
		r.High, _ = strconv.Atoi(string(m[2]))
	}
	return r
}
