package ip6

// Sizes in bytes.
const (
	HeaderLen = 40    // fixed IPv6 header
	MinMTU    = 1280  // every IPv6 link carries this (RFC 8200 section 5)
	MaxLen    = 65575 // largest packet that is not a jumbogram: 40 + 65535
)

// Next Header values: the extension headers and the upper layers that this
// project looks into.
const (
	ProtoHopByHop = 0
	ProtoTCP      = 6
	ProtoUDP      = 17
	ProtoIPv6     = 41
	ProtoRouting  = 43
	ProtoFragment = 44
	ProtoESP      = 50
	ProtoAH       = 51
	ProtoICMPv6   = 58
	ProtoNoNext   = 59
	ProtoDestOpts = 60
	ProtoSCTP     = 132
	ProtoMobility = 135
	ProtoUDPLite  = 136
	ProtoHIP      = 139
	ProtoShim6    = 140
)

// IsExtension reports whether the Next Header value t names an extension
// header that a walk steps over (IANA "IPv6 Extension Header Types", without
// ESP, which hides what follows, and without the two experimental values).
func IsExtension(t uint8) bool {
	switch t {
	case ProtoHopByHop, ProtoRouting, ProtoFragment, ProtoAH, ProtoDestOpts,
		ProtoMobility, ProtoHIP, ProtoShim6:
		return true
	}
	return false
}
