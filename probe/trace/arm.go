package trace

import (
	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/truncate"
)

// Arm is what a probe carries beside a UDP header. Arms differ in nothing else,
// so that comparing two of them tells what became of the difference.
type Arm uint8

// The arms. All headers with options are 8 bytes long.
const (
	Plain         Arm = iota // no extension header
	HBHPadding               // Hop-by-Hop Options with PadN only
	HBHUnassigned            // Hop-by-Hop Options with an unassigned type that nodes skip
	HBHMinPMTU               // Hop-by-Hop Options with Minimum Path MTU (RFC 9268)
	DstPadding               // Destination Options with PadN only
	DstEligible              // Destination Options with Truncation Eligible
	tcpSYN                   // not UDP, but a SYN with an MSS
	armCount
)

// String returns the arm's name in records.
func (a Arm) String() string {
	switch a {
	case Plain:
		return "plain"
	case HBHPadding:
		return "hbh-padding"
	case HBHUnassigned:
		return "hbh-unassigned"
	case HBHMinPMTU:
		return "hbh-min-pmtu"
	case DstPadding:
		return "dst-padding"
	case DstEligible:
		return "dst-truncation"
	case tcpSYN:
		return "tcp-syn"
	}
	return "BUG"
}

// optionArms are compared with Plain, in this order.
var optionArms = []Arm{HBHPadding, HBHUnassigned, HBHMinPMTU, DstPadding, DstEligible}

// unassigned is an option type that IANA has given to nobody; its action bits
// are 00: skip.
const unassigned = 0x1d

// extHeader is the length of the headers of option arms. Bytes.
const extHeader = 8

// header returns the type and the one option of an arm's extension header.
func (a Arm) header(minPMTU int) (typ uint8, o ip6.OptionSpec, ok bool) {
	four := make([]byte, 4)
	switch a {
	case HBHPadding:
		return ip6.ProtoHopByHop, ip6.OptionSpec{Type: ip6.OptPadN, Data: four}, true
	case HBHUnassigned:
		return ip6.ProtoHopByHop, ip6.OptionSpec{Type: unassigned, Data: four}, true
	case HBHMinPMTU:
		return ip6.ProtoHopByHop, ip6.OptionSpec{Type: hbh.Type, Data: sentOption(minPMTU).AppendData(nil)}, true
	case DstPadding:
		return ip6.ProtoDestOpts, ip6.OptionSpec{Type: ip6.OptPadN, Data: four}, true
	case DstEligible:
		return ip6.ProtoDestOpts, ip6.OptionSpec{Type: truncate.DefaultCodes.Eligible}, true
	}
	return 0, ip6.OptionSpec{}, false
}

// sentOption is the Minimum Path MTU option as it leaves.
func sentOption(minPMTU int) hbh.Option {
	return hbh.Option{Min: hbh.ClampMin(minPMTU), R: true}
}
