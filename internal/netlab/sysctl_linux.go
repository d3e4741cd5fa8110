package netlab

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
)

// setSysctl writes one sysctl of the current namespace.
func setSysctl(name, value string) error {
	path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("sysctl %s=%s: %w", name, value, err)
	}
	return nil
}

// baseSysctls are written before the first interface exists. IPv4 ones are
// inherited from the machine and IPv6 ones are not, so each that matters is
// said here.
func baseSysctls(n Node) map[string]string {
	forward := "0"
	if n.Kind == Router {
		forward = "1"
	}
	s := map[string]string{
		"net.ipv4.ip_forward":                        forward,
		"net.ipv4.ip_no_pmtu_disc":                   "0",
		"net.ipv4.conf.all.rp_filter":                "0",
		"net.ipv4.conf.default.rp_filter":            "0",
		"net.ipv6.conf.all.disable_ipv6":             "0",
		"net.ipv6.conf.default.disable_ipv6":         "0",
		"net.ipv6.conf.all.forwarding":               forward,
		"net.ipv6.conf.default.forwarding":           forward,
		"net.ipv6.conf.default.accept_dad":           "0",
		"net.ipv6.conf.default.accept_ra":            "0",
		"net.ipv6.conf.default.router_solicitations": "0",
	}
	if n.ICMPUnlimited {
		s["net.ipv4.icmp_ratelimit"] = "0"
		s["net.ipv6.icmp.ratelimit"] = "0"
	}
	return s
}

// applySysctls sets the current namespace up for a node.
func applySysctls(n Node) error {
	if err := openPingSockets(); err != nil {
		return err
	}
	for _, set := range []map[string]string{baseSysctls(n), n.Sysctls} {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			if err := setSysctl(name, set[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// openPingSockets lets every group that exists here open ICMP echo sockets. In
// a user namespace with one group mapped that is group 0 alone.
func openPingSockets() error {
	const name = "net.ipv4.ping_group_range"
	err := setSysctl(name, "0 2147483647")
	if errors.Is(err, syscall.EINVAL) {
		err = setSysctl(name, "0 0")
	}
	return err
}
