package ip6test

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"pathmtu/internal/ip6"
	"pathmtu/internal/netlab/labtest"
)

// Tshark dissects the packets with tshark and returns the given fields, a row
// for each packet; several values of one field are joined by commas. Checksums
// are checked: udp.checksum.status and the like are 1 for good ones.
func Tshark(t testing.TB, packets []ip6.Packet, fields ...string) [][]string {
	t.Helper()
	path, err := exec.LookPath("tshark")
	labtest.Need(t, err == nil, "tshark (Debian package tshark)")
	name := filepath.Join(t.TempDir(), "packets.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriter(f)
	if err := w.WriteFileHeader(65600, layers.LinkTypeRaw); err != nil {
		t.Fatal(err)
	}
	for i, p := range packets {
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(p), Length: len(p)}
		if err := w.WritePacket(ci, p); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-n", "-r", name, "-T", "fields", "-E", "separator=|", "-E", "aggregator=,",
		"-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "ipv6.defragment:FALSE"}
	for _, field := range fields {
		args = append(args, "-e", field)
	}
	out := run(t, exec.CommandContext(t.Context(), path, args...))
	var rows [][]string
	for line := range strings.Lines(out) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "|"))
	}
	if len(rows) != len(packets) {
		t.Fatalf("tshark gave %d rows for %d packets:\n%s", len(rows), len(packets), out)
	}
	return rows
}

// Scapy runs a Python script after "from scapy.all import *"; show(p) in it
// gives a packet back.
func Scapy(t testing.TB, script string) []ip6.Packet {
	t.Helper()
	const python = "/usr/bin/python3" // Debian's own, which sees Debian's packages
	const installed = "/usr/lib/python3/dist-packages/scapy"
	_, err := os.Stat(installed)
	labtest.Need(t, err == nil, "scapy in "+installed+" (Debian package python3-scapy)")
	head := "import logging; logging.disable(logging.CRITICAL)\nfrom scapy.layers.inet6 import *\nfrom scapy.layers.inet import *\n" +
		"from scapy.packet import Raw\nimport random\ndef show(p): print(bytes(p).hex())\n"
	out := run(t, exec.CommandContext(t.Context(), python, "-c", head+script))
	var packets []ip6.Packet
	for line := range strings.Lines(out) {
		b, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		p, err := ip6.Parse(b)
		if err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		packets = append(packets, p)
	}
	return packets
}

func run(t testing.TB, c *exec.Cmd) string {
	t.Helper()
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", c.Args, err, errs.String())
	}
	return out.String()
}
