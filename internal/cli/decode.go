package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// decodeOptions are the flags of "pmtu decode".
type decodeOptions struct {
	json       bool
	count      int
	link       string
	signals    bool
	truncation truncationOptions
}

func newDecodeCommand() *cobra.Command {
	var o decodeOptions
	cmd := &cobra.Command{
		Use:   "decode FILE|HEX|-...",
		Short: "Explain packets: their options, and what they say about the path MTU",
		Long: `Decode explains packets from pcap and pcapng files, from files or standard input (-)
with hexadecimal text, or from hexadecimal arguments. It shows every IPv6 extension
header and option with its offset, and the signals of the path MTU: the Minimum Path
MTU option (RFC 9268) and its historical layouts, packet truncation, ICMP Packet Too
Big, UDP Options, TCP MSS; and what is wrong with them.`,
		Example: `  pmtu decode capture.pcapng --signals
  pmtu decode 6000000000100040 20010db8000000000000000000000001 20010db8000000000000000000000002 1100300405dc0001 0007000700080000`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runDecode(cmd, o, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "one JSON object a packet")
	f.IntVar(&o.count, "count", 0, "stop after this many packets (0: all)")
	f.StringVar(&o.link, "link", "auto", "what hexadecimal packets start with: auto, ip or ether")
	f.BoolVar(&o.signals, "signals", false, "only packets that say something about the path MTU")
	o.truncation.add(f)
	return cmd
}

func runDecode(cmd *cobra.Command, o decodeOptions, args []string) error {
	tr, err := o.truncation.reader()
	if err != nil {
		return err
	}
	if o.link != "auto" && o.link != "ip" && o.link != "ether" {
		return usagef("link %q: want auto, ip or ether", o.link)
	}
	if o.count < 0 {
		return usagef("count %d: want 0 or more", o.count)
	}
	d := decoder{truncate: tr}
	out := cmd.OutOrStdout()
	enc := json.NewEncoder(out)
	n := 0
	each := func(p rawPacket) error {
		p.number = n + 1
		n++
		x := d.packet(p)
		if o.signals && !x.hasSignals() {
			return stopAt(n, o.count)
		}
		var err error
		if o.json {
			err = enc.Encode(x)
		} else {
			_, err = io.WriteString(out, x.text())
		}
		if err != nil {
			return err
		}
		return stopAt(n, o.count)
	}
	for _, in := range decodeInputs(args) {
		err := in.packets(cmd.InOrStdin(), o.link, each)
		if err == errEnough {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errEnough = fmt.Errorf("enough packets")

func stopAt(n, count int) error {
	if count > 0 && n >= count {
		return errEnough
	}
	return nil
}

// decodeInput is a file, standard input ("-"), or hexadecimal text.
type decodeInput struct {
	file string
	hex  string
}

// decodeInputs joins neighbouring arguments that are not files: a packet may be
// written in several words.
func decodeInputs(args []string) []decodeInput {
	var out []decodeInput
	for _, a := range args {
		if _, err := os.Stat(a); a == "-" || err == nil || !isHex(a) {
			out = append(out, decodeInput{file: a})
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].hex != "" {
			out[last].hex += a
			continue
		}
		out = append(out, decodeInput{hex: a})
	}
	return out
}

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefABCDEF:- \t\r\n") == ""
}
