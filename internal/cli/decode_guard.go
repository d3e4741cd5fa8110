package cli

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// The readers of capture files believe the lengths in them and allocate as
// much. The guards stand before them and check that every length is sane, so
// that a hostile file costs no more memory than a packet.

// pcapGuard checks the record headers of a pcap file.
type pcapGuard struct {
	r     *bufio.Reader
	order binary.ByteOrder
	left  int // bytes that may be passed on unchecked
}

// guardPcap checks the file header, which it leaves to be read.
func guardPcap(r *bufio.Reader) (*pcapGuard, error) {
	h, err := r.Peek(24)
	if err != nil {
		return nil, fmt.Errorf("pcap file header: %w", noEOF(err))
	}
	g := &pcapGuard{r: r, order: binary.LittleEndian, left: 24}
	if h[0] == 0xa1 {
		g.order = binary.BigEndian
	}
	return g, nil
}

func (g *pcapGuard) Read(b []byte) (int, error) {
	if g.left == 0 {
		h, err := g.r.Peek(16)
		if len(h) == 0 {
			return 0, err
		}
		if len(h) < 16 {
			return 0, io.ErrUnexpectedEOF
		}
		n := g.order.Uint32(h[8:])
		if n > mostCapture {
			return 0, fmt.Errorf("captured length %d: want at most %d", n, mostCapture)
		}
		g.left = 16 + int(n)
	}
	n, err := g.r.Read(b[:min(len(b), g.left)])
	g.left -= n
	return n, err
}

// ngGuard checks the blocks of a pcapng file.
type ngGuard struct {
	r     *bufio.Reader
	order binary.ByteOrder
	left  int
}

// Types and sizes of pcapng blocks.
const (
	ngSection   = 0x0a0d0d0a
	ngInterface = 1
	ngPacket    = 2
	ngSimple    = 3
	ngEnhanced  = 6
	ngFrame     = 12 // type and two lengths
	ngMost      = mostCapture + 64<<10
)

func (g *ngGuard) Read(b []byte) (int, error) {
	if g.left == 0 {
		if err := g.block(); err != nil {
			return 0, err
		}
	}
	n, err := g.r.Read(b[:min(len(b), g.left)])
	g.left -= n
	return n, err
}

// block checks the block that comes next.
func (g *ngGuard) block() error {
	h, err := g.r.Peek(12)
	if len(h) == 0 {
		return err
	}
	if len(h) < 12 {
		return io.ErrUnexpectedEOF
	}
	if binary.BigEndian.Uint32(h) == ngSection {
		g.order = binary.LittleEndian
		if binary.BigEndian.Uint32(h[8:]) == 0x1a2b3c4d {
			g.order = binary.BigEndian
		}
	}
	if g.order == nil {
		return fmt.Errorf("pcapng file doesn't start with a section header")
	}
	n := g.order.Uint32(h[4:])
	if n < ngFrame || n > ngMost || n%4 != 0 {
		return fmt.Errorf("pcapng block of %d bytes: want %d to %d, a multiple of 4", n, ngFrame, ngMost)
	}
	fixed := map[uint32]int{ngSection: 16, ngInterface: 8, ngPacket: 20, ngSimple: 4, ngEnhanced: 20}[g.order.Uint32(h)]
	if int(n) < ngFrame+fixed {
		return fmt.Errorf("pcapng block of %d bytes is too short for its type", n)
	}
	if err := g.captured(g.order.Uint32(h), int(n)); err != nil {
		return err
	}
	g.left = int(n)
	return nil
}

// captured checks the captured length of a packet block of n bytes.
func (g *ngGuard) captured(typ uint32, n int) error {
	at := map[uint32]int{ngPacket: 20, ngEnhanced: 20, ngSimple: 8}[typ]
	if at == 0 {
		return nil
	}
	h, err := g.r.Peek(at + 4)
	if err != nil {
		return noEOF(err)
	}
	room := n - ngFrame - 20
	if typ == ngSimple {
		// It states its original length, which the interface's limit may have
		// cut: the block need not have room for it.
		room = mostCapture
	}
	if c := g.order.Uint32(h[at:]); int64(c) > int64(room) {
		return fmt.Errorf("captured length %d in a block with room for %d", c, room)
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
