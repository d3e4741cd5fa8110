package versus

import (
	"bytes"
	"net/netip"

	"pathmtu/results"
)

// Tool is a program, with its arguments.
type Tool struct {
	Name string
	Ours bool
	// Needs is the program's file, or name in the PATH.
	Needs string
	// Version is the argument that makes it say its version.
	Version string
	// Args are its arguments for a target.
	Args func(target netip.Addr) []string
	// Read makes out what it printed.
	Read func(stdout []byte, target netip.Addr) Reading
	// Places says that it names the router before the narrowest link.
	Places bool
	Only4  bool // it can't measure over IPv6
}

// Reading is what a tool says about a path.
type Reading struct {
	MTU int // 0: none, or a range
	// Low and High are a range: Low <= MTU < High.
	Low, High int
	Inferred  bool   // from silence, as the tool says
	Router    string // before the narrowest link; "": it names none
}

// Port is a port, of UDP and TCP, that is closed at the target.
const Port = "33434"

// Tools returns all, ours first; program is the path of pmtu. Each of the others
// gets the settings with which it does best here:
//
//   - scamper: its fastest rate (it paces itself at 20 packets a second otherwise)
//     and shortest wait for answers, one second; 2 tries are its default.
//   - tracepath: no names, and no more hops than any path here has; it waits a
//     second for an answer, three times at each hop.
//   - nmap: no host discovery, one closed port to probe, fast timing.
func Tools(program string) []Tool {
	ours := func(name string, places bool, args ...string) Tool {
		return Tool{Name: name, Ours: true, Needs: program, Version: "version", Read: ReadRecord, Places: places, Args: func(target netip.Addr) []string {
			return append(args[:len(args):len(args)], "--json", target.String())
		}}
	}
	return []Tool{
		ours("pmtu probe, udp", false, "probe", "--method", "udp"),
		ours("pmtu probe, icmp", false, "probe", "--method", "icmp"),
		ours("pmtu probe, auto", false, "probe"),
		ours("pmtu trace", true, "trace", "--no-options", "--tcp-port", "0"),
		{Name: "scamper", Needs: "scamper", Version: "-v", Read: ReadScamper, Places: true, Args: func(target netip.Addr) []string {
			return []string{"-p", "1000", "-c", "trace -M -P udp-paris -w 1 -q 2", "-i", target.String()}
		}},
		{Name: "tracepath", Needs: "tracepath", Version: "-V", Read: ReadTracepath, Places: true, Args: func(target netip.Addr) []string {
			return []string{"-n", "-m", "8", target.String()}
		}},
		{Name: "nmap", Needs: "nmap", Version: "--version", Read: ReadNmap, Only4: true, Args: func(target netip.Addr) []string {
			return []string{"-n", "-Pn", "-T4", "-sS", "-p", Port, "--script", "path-mtu", target.String()}
		}},
	}
}

// ReadRecord reads a record of pmtu.
func ReadRecord(stdout []byte, _ netip.Addr) (r Reading) {
	rec, err := results.NewReader(bytes.NewReader(stdout)).Read()
	if err != nil || rec.PMTU == nil {
		return Reading{}
	}
	r.MTU = *rec.PMTU
	if rec.Bottleneck != nil {
		r.Router = rec.Bottleneck.Addr
	}
	return r
}
