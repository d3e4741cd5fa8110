package datapath

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	rxBlock     = 256 << 10 // bytes; holds many frames, or one unsegmented one
	vnetHdrLen  = 10        // struct virtio_net_hdr
	txDataOff   = 32        // from the start of a TPACKET_V2 frame
	retireMilli = 1         // a block that isn't full is handed over after this time
)

// rxRing is a TPACKET_V3 receive ring: blocks that the kernel fills with many
// frames each and hands over one after the other.
type rxRing struct {
	mem    []byte
	blocks int
	block  int // next block to read
	next   int // offset in that block of the next frame; 0: block not begun
	left   uint32
	done   int // blocks read to their end since the last release
}

func (r *rxRing) open(fd, bytes int) error {
	r.blocks = bytes / rxBlock
	req := unix.TpacketReq3{
		Block_size: rxBlock, Block_nr: uint32(r.blocks),
		Frame_size: 2048, Frame_nr: uint32(rxBlock / 2048 * r.blocks),
		Retire_blk_tov: retireMilli,
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return &NotSupportedError{Feature: "AF_PACKET", Reason: "TPACKET_V3 receive ring", Err: err}
	}
	mem, err := unix.Mmap(fd, 0, rxBlock*r.blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("datapath: map receive ring: %w", err)
	}
	r.mem = mem
	return nil
}

// Offsets in struct tpacket_block_desc and struct tpacket3_hdr.
const (
	blkStatus, blkPackets, blkFirst = 8, 12, 16
	hdrNext, hdrSnap, hdrLen        = 0, 12, 16
	hdrMAC                          = 24
)

func (r *rxRing) recv(b *Batch, c *counters) error {
	if r.mem == nil {
		return ErrClosed
	}
	for r.done < r.blocks && !b.Full() {
		blk := r.mem[r.block*rxBlock : (r.block+1)*rxBlock]
		if r.next == 0 {
			if loadWord(blk, blkStatus)&unix.TP_STATUS_USER == 0 {
				return nil
			}
			r.left = binary.NativeEndian.Uint32(blk[blkPackets:])
			r.next = int(binary.NativeEndian.Uint32(blk[blkFirst:]))
		}
		for r.left > 0 && !b.Full() {
			h := blk[r.next:]
			r.next += int(binary.NativeEndian.Uint32(h[hdrNext:]))
			r.left--
			mac := int(binary.NativeEndian.Uint16(h[hdrMAC:]))
			snap := int(binary.NativeEndian.Uint32(h[hdrSnap:]))
			whole := snap == int(binary.NativeEndian.Uint32(h[hdrLen:]))
			if pkt := packetOf(h[mac-vnetHdrLen:mac+snap], whole, c); pkt != nil {
				b.add(pkt)
			}
		}
		if r.left == 0 {
			r.next = 0
			r.block = (r.block + 1) % r.blocks
			r.done++
		}
	}
	return nil
}

// packetOf takes the IPv6 packet out of a virtio header and an Ethernet frame.
func packetOf(f []byte, whole bool, c *counters) []byte {
	frame := f[vnetHdrLen:]
	if f[1] != unix.VIRTIO_NET_HDR_GSO_NONE {
		c.gso.Add(1)
		return nil
	}
	if !whole || len(frame) < etherLen {
		c.malformed.Add(1)
		return nil
	}
	pkt, ok := ipv6Packet(frame[etherLen:])
	if !ok {
		c.malformed.Add(1)
		return nil
	}
	if f[0]&unix.VIRTIO_NET_HDR_F_NEEDS_CSUM != 0 {
		start := int(binary.NativeEndian.Uint16(f[6:])) - etherLen
		at := start + int(binary.NativeEndian.Uint16(f[8:]))
		if !finishChecksum(pkt, start, at) {
			c.malformed.Add(1)
			return nil
		}
		c.csum.Add(1)
	}
	c.rxPackets.Add(1)
	c.rxBytes.Add(uint64(len(pkt)))
	return pkt
}

// finishChecksum does what a network card with checksum offload does: it adds
// everything from start to the end of the packet and writes the complement at
// offset at, where the sender left the sum of the pseudo-header.
func finishChecksum(pkt []byte, start, at int) bool {
	if start < ipv6Len || at < start || at+2 > len(pkt) {
		return false
	}
	var sum uint64
	p := pkt[start:]
	for ; len(p) >= 8; p = p[8:] {
		v := binary.BigEndian.Uint64(p)
		sum += v>>32 + v&0xffffffff
	}
	for ; len(p) >= 2; p = p[2:] {
		sum += uint64(binary.BigEndian.Uint16(p))
	}
	if len(p) == 1 {
		sum += uint64(p[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	ck := ^uint16(sum)
	if ck == 0 {
		ck = 0xffff // zero means "no checksum" to UDP, and nothing else minds
	}
	binary.BigEndian.PutUint16(pkt[at:], ck)
	return true
}

// release gives the blocks that were read to their end back to the kernel.
func (r *rxRing) release() {
	for ; r.done > 0; r.done-- {
		i := (r.block - r.done + r.blocks) % r.blocks
		storeWord(r.mem[i*rxBlock:], blkStatus, unix.TP_STATUS_KERNEL)
	}
}

func (r *rxRing) close() {
	if r.mem != nil {
		_ = unix.Munmap(r.mem)
		r.mem = nil
	}
}

// txRing is a TPACKET_V2 transmit ring of frames of one size.
type txRing struct {
	mem     []byte
	size    int // bytes of one frame
	frames  int
	head    int
	n       int // length of the frame being written
	pending int // committed frames that the kernel wasn't told of yet
}

func (r *txRing) open(fd, bytes, mtu int) error {
	r.size = 2048
	for r.size < txDataOff+etherLen+mtu {
		r.size *= 2
	}
	block := max(r.size, 64<<10)
	r.frames = bytes / block * (block / r.size)
	req := unix.TpacketReq{
		Block_size: uint32(block), Block_nr: uint32(bytes / block),
		Frame_size: uint32(r.size), Frame_nr: uint32(r.frames),
	}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_TX_RING, &req); err != nil {
		return &NotSupportedError{Feature: "AF_PACKET transmit ring", Reason: "PACKET_TX_RING", Err: err}
	}
	mem, err := unix.Mmap(fd, 0, block*(bytes/block), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("datapath: map transmit ring: %w", err)
	}
	r.mem = mem
	return nil
}

// slot returns n bytes of the next frame, or nil when there is no room.
func (r *txRing) slot(n int) []byte {
	off := r.head * r.size
	if r.mem == nil || n > r.size-txDataOff || loadWord(r.mem, off) != unix.TP_STATUS_AVAILABLE {
		return nil
	}
	r.n = n
	return r.mem[off+txDataOff : off+txDataOff+n]
}

// commit queues the frame that slot returned.
func (r *txRing) commit() {
	off := r.head * r.size
	binary.NativeEndian.PutUint32(r.mem[off+4:], uint32(r.n))
	storeWord(r.mem, off, unix.TP_STATUS_SEND_REQUEST)
	r.head = (r.head + 1) % r.frames
	r.pending++
}

func (r *txRing) close() {
	if r.mem != nil {
		_ = unix.Munmap(r.mem)
		r.mem = nil
	}
}
