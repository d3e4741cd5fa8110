package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"pathmtu/internal/netlab"
	"pathmtu/probe"
)

// flagValues are the values of a flag that takes no other words. A test ties them to
// what the command accepts.
type flagValues struct {
	command, flag string
	values        []string
	list          bool // several may be given, with commas between
}

// closedFlags lists the flags whose values a shell can complete. Off Linux some of
// their commands have no flags.
func closedFlags() []flagValues {
	return []flagValues{
		{"pmtu probe", "method", append(probe.Names(), auto), true},
		{"pmtu survey", "method", surveyMethods, true},
		{"pmtu survey serve", "method", surveyMethods, true},
		{"pmtu report", "family", []string{"4", "6"}, false},
		{"pmtu router", "datapath", []string{"auto", "xdp", "afxdp", "afpacket", "tun"}, false},
		{"pmtu host", "datapath", []string{"afpacket", "afxdp", "tun"}, false},
		{"pmtu host", "truncate", revisions, false},
		{"pmtu decode", "truncate", revisions, false},
		{"pmtu decode", "link", []string{"auto", "ip", "ether"}, false},
		{"pmtu lab up", "ptb", []string{"delivered", "filtered"}, false},
		{"pmtu lab demo", "method", []string{"icmp", "udp"}, true},
		{"pmtu lab internet score", "method", surveyMethods, false},
	}
}

var (
	surveyMethods = []string{"icmp", "udp", "quic", "dns"}
	revisions     = []string{"T0", "T1"} // of packet truncation
)

// addCompletion lets the shell complete values below root.
func addCompletion(root *cobra.Command) error {
	for _, c := range closedFlags() {
		cmd, _, err := root.Find(strings.Fields(c.command)[1:])
		if err != nil {
			return err
		}
		if cmd.Flags().Lookup(c.flag) == nil {
			continue
		}
		if err := cmd.RegisterFlagCompletionFunc(c.flag, c.complete); err != nil {
			return err
		}
	}
	up, _, err := root.Find([]string{"lab", "up"})
	if err != nil {
		return err
	}
	up.ValidArgsFunction = completeTopology
	return nil
}

func (c flagValues) complete(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	if !c.list {
		return c.values, cobra.ShellCompDirectiveNoFileComp
	}
	before := typed[:strings.LastIndexByte(typed, ',')+1]
	var out []string
	for _, v := range c.values {
		again := slices.Contains(strings.Split(before, ","), v)
		alone := v == auto && before != ""
		if !again && !alone && strings.HasPrefix(before+v, typed) {
			out = append(out, before+v)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func completeTopology(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := []string{"path"}
	for _, t := range netlab.Catalog() {
		names = append(names, t.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
