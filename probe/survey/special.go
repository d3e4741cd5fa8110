package survey

import "net/netip"

// Special lists the prefixes that are not global unicast addresses of hosts:
// the special-purpose registries of IANA (RFC 6890 and its updates), and
// multicast. They are never probed, unless Selection.Lab says that the network
// leads nowhere.
func Special() []string {
	return []string{
		"0.0.0.0/8",       // this network, RFC 791
		"10.0.0.0/8",      // private use, RFC 1918
		"100.64.0.0/10",   // shared address space, RFC 6598
		"127.0.0.0/8",     // loopback, RFC 1122
		"169.254.0.0/16",  // link-local, RFC 3927
		"172.16.0.0/12",   // private use, RFC 1918
		"192.0.0.0/24",    // protocol assignments, RFC 6890
		"192.0.2.0/24",    // documentation, RFC 5737
		"192.31.196.0/24", // AS112, RFC 7535
		"192.52.193.0/24", // AMT, RFC 7450
		"192.88.99.0/24",  // 6to4 relays, RFC 7526
		"192.168.0.0/16",  // private use, RFC 1918
		"192.175.48.0/24", // AS112, RFC 7534
		"198.18.0.0/15",   // benchmarks, RFC 2544
		"198.51.100.0/24", // documentation, RFC 5737
		"203.0.113.0/24",  // documentation, RFC 5737
		"224.0.0.0/4",     // multicast, RFC 5771
		"240.0.0.0/4",     // reserved, RFC 1112; broadcast, RFC 8190

		"::/8",              // unspecified, loopback, mapped, translated: RFC 4291, 6052
		"64:ff9b::/96",      // IPv4 translation, RFC 6052
		"64:ff9b:1::/48",    // local translation, RFC 8215
		"100::/64",          // discard only, RFC 6666
		"100:0:0:1::/64",    // dummy prefix, RFC 9780
		"2001::/23",         // protocol assignments, RFC 2928: Teredo, benchmarks, ORCHID
		"2001:db8::/32",     // documentation, RFC 3849
		"2002::/16",         // 6to4, RFC 3056
		"2620:4f:8000::/48", // AS112, RFC 7534
		"3fff::/20",         // documentation, RFC 9637
		"5f00::/16",         // segment routing, RFC 9602
		"fc00::/7",          // unique local, RFC 4193
		"fe80::/10",         // link-local, RFC 4291
		"fec0::/10",         // site-local, RFC 3879
		"ff00::/8",          // multicast, RFC 4291
	}
}

var (
	special = specialSpans()
	// never is not even probed in a lab: it is no address of one host.
	never = merge([]span{
		prefixSpan("0.0.0.0/32"), prefixSpan("127.0.0.0/8"), prefixSpan("224.0.0.0/4"), prefixSpan("255.255.255.255/32"),
		prefixSpan("::/127"), prefixSpan("ff00::/8"), prefixSpan("fe80::/10"),
	})
)

func prefixSpan(s string) span { return spanOf(netip.MustParsePrefix(s)) }

// specialSpans is Special, without the IPv4 addresses that are mapped into ::/8.
func specialSpans() []span {
	var v4, v6 []span
	for _, s := range Special() {
		p := netip.MustParsePrefix(s)
		if p.Addr().Is4() {
			v4 = append(v4, spanOf(p))
		} else {
			v6 = append(v6, spanOf(p))
		}
	}
	return merge(append(v4, subtract(merge(v6), []span{prefixSpan("0.0.0.0/0")})...))
}
