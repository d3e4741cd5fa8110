package cli

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

const (
	mostCapture = 262144 // bytes of one captured packet, as other tools have it
	mostHex     = 1 << 20
)

// rawPacket is a packet as captured.
type rawPacket struct {
	number int
	time   time.Time // zero: unknown
	link   layers.LinkType
	data   []byte
	length int // on the wire; larger than data when the capture cut it
}

// packets calls each for every packet of the input.
func (in decodeInput) packets(stdin io.Reader, link string, each func(rawPacket) error) error {
	if in.hex != "" {
		return hexPackets(strings.NewReader(in.hex), "argument", link, each)
	}
	r := stdin
	if in.file != "-" {
		f, err := os.Open(in.file)
		if err != nil {
			return usageError{fmt.Errorf("%w (and it is not hexadecimal)", err)}
		}
		defer f.Close()
		r = f
	}
	b := bufio.NewReaderSize(r, 64<<10)
	magic, _ := b.Peek(4)
	switch {
	case bytes.Equal(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}):
		return ngPackets(b, in.file, each)
	case isPcap(magic):
		return pcapPackets(b, in.file, each)
	}
	return hexPackets(b, in.file, link, each)
}

func isPcap(magic []byte) bool {
	if len(magic) < 4 {
		return false
	}
	for _, m := range []uint32{binary.LittleEndian.Uint32(magic), binary.BigEndian.Uint32(magic)} {
		if m == 0xa1b2c3d4 || m == 0xa1b23c4d {
			return true
		}
	}
	return false
}

// hexPackets reads packets in hexadecimal, separated by empty lines. Blanks
// and colons between digits don't matter.
func hexPackets(r io.Reader, name, link string, each func(rawPacket) error) error {
	text, err := io.ReadAll(io.LimitReader(r, mostHex+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > mostHex {
		return usagef("%s: hexadecimal text of more than %d bytes", name, mostHex)
	}
	text = bytes.ReplaceAll(text, []byte("\r"), nil)
	found := false
	for _, part := range strings.Split(string(text), "\n\n") {
		digits := strings.Map(func(c rune) rune {
			if strings.ContainsRune(" \t\n:-", c) {
				return -1
			}
			return c
		}, part)
		if digits == "" {
			continue
		}
		found = true
		data, err := hex.DecodeString(strings.TrimPrefix(digits, "0x"))
		if err != nil {
			return usagef("%s: neither a capture file nor hexadecimal: %w", name, err)
		}
		p := rawPacket{data: data, length: len(data), link: layers.LinkTypeRaw}
		if link == "ether" || link == "auto" && looksLikeEthernet(data) {
			p.link = layers.LinkTypeEthernet
		}
		if err := each(p); err != nil {
			return err
		}
	}
	if !found {
		return usagef("%s: no packet in it", name)
	}
	return nil
}

// looksLikeEthernet tells a frame from an IP packet: an IP version and length
// that match win.
func looksLikeEthernet(b []byte) bool {
	if len(b) >= 20 && b[0]>>4 == 4 && int(binary.BigEndian.Uint16(b[2:])) <= len(b) {
		return false
	}
	if len(b) >= 40 && b[0]>>4 == 6 && 40+int(binary.BigEndian.Uint16(b[4:])) <= len(b) {
		return false
	}
	if len(b) < 34 {
		return false
	}
	t := layers.EthernetType(binary.BigEndian.Uint16(b[12:]))
	return t == layers.EthernetTypeIPv4 || t == layers.EthernetTypeIPv6 || t == layers.EthernetTypeDot1Q
}

func pcapPackets(r *bufio.Reader, name string, each func(rawPacket) error) error {
	g, err := guardPcap(r)
	if err != nil {
		return usagef("%s: %w", name, err)
	}
	pr, err := pcapgo.NewReader(g)
	if err != nil {
		return usagef("%s: %w", name, err)
	}
	return readAll(name, func() ([]byte, gopacket.CaptureInfo, layers.LinkType, error) {
		data, ci, err := pr.ReadPacketData()
		return data, ci, pr.LinkType(), err
	}, each)
}

func ngPackets(r *bufio.Reader, name string, each func(rawPacket) error) error {
	var pr *pcapgo.NgReader
	_, _, _, err := withoutPanic(func() (_ []byte, _ gopacket.CaptureInfo, _ layers.LinkType, err error) {
		pr, err = pcapgo.NewNgReader(bufio.NewReaderSize(&ngGuard{r: r}, 64<<10), pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		return
	})
	if err != nil {
		return usagef("%s: %w", name, err)
	}
	return readAll(name, func() ([]byte, gopacket.CaptureInfo, layers.LinkType, error) {
		data, ci, err := pr.ReadPacketData()
		link := pr.LinkType()
		if i, e := pr.Interface(ci.InterfaceIndex); e == nil {
			link = i.LinkType
		}
		return data, ci, link, err
	}, each)
}

func readAll(name string, next func() ([]byte, gopacket.CaptureInfo, layers.LinkType, error), each func(rawPacket) error) error {
	for n := 1; ; n++ {
		data, ci, link, err := withoutPanic(next)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: packet %d: %w", name, n, err)
		}
		if err := each(rawPacket{time: ci.Timestamp, data: data, length: ci.Length, link: link}); err != nil {
			return err
		}
	}
}

// withoutPanic makes an error of a panic: pcapgo indexes some options of pcapng
// blocks without looking at their length.
func withoutPanic(next func() ([]byte, gopacket.CaptureInfo, layers.LinkType, error)) (data []byte, ci gopacket.CaptureInfo, link layers.LinkType, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed: %v", p)
		}
	}()
	return next()
}
