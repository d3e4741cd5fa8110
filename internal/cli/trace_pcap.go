package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// capture writes packets to a pcapng file. A nil capture writes nothing.
type capture struct {
	file *os.File
	ng   *pcapgo.NgWriter
	err  error
}

// createCapture makes the file. A name of "" makes none.
func createCapture(name string) (*capture, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, usagef("--pcap %q: %v", name, err)
	}
	i := pcapgo.DefaultNgInterface
	i.Name, i.Comment, i.LinkType, i.SnapLength = "pmtu", "packets that pmtu trace sent and received", layers.LinkTypeRaw, 0
	ng, err := pcapgo.NewNgWriterInterface(f, i, pcapgo.NgWriterOptions{
		SectionInfo: pcapgo.NgSectionInfo{Application: toolVersion()},
	})
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("--pcap %q: %w", name, err)
	}
	return &capture{file: f, ng: ng}, nil
}

// packet writes a whole IP packet. An error is kept for Close.
func (c *capture) packet(at time.Time, b []byte) {
	if c == nil || c.err != nil {
		return
	}
	c.err = c.ng.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(b), Length: len(b)}, b)
}

// Close writes the rest and returns the first error.
func (c *capture) Close() error {
	if c == nil {
		return nil
	}
	err := c.ng.Flush()
	if c.err == nil {
		c.err = err
	}
	if err := c.file.Close(); c.err == nil {
		c.err = err
	}
	return c.err
}
