package rawsock

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
)

const soon = 5 * time.Second

func build(t *testing.T, topology netlab.Topology) *netlab.Lab {
	t.Helper()
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	lab, err := netlab.Build(t.Context(), topology)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })
	return lab
}

// inside runs f in a node of the lab.
func inside(t *testing.T, lab *netlab.Lab, node string, f func() error) {
	t.Helper()
	require.NoError(t, lab.Node(node).Do(f))
}

func receive(t *testing.T, f *Flow) Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	m, err := f.Receive(ctx)
	require.NoError(t, err)
	return m
}

func heard(t *testing.T, f *Flow) Message {
	t.Helper()
	select {
	case m := <-f.Heard():
		return m
	case <-time.After(soon):
		t.Fatal("the hub hears nothing")
		return Message{}
	}
}

// echo makes an echo request; size is that of the IP packet.
func echo(dst netip.Addr, id, seq uint16, size int) []byte {
	header, typ := 20, byte(8)
	if !dst.Is4() {
		header, typ = 40, 128
	}
	b := make([]byte, size-header)
	b[0] = typ
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], seq)
	if typ == 8 {
		var sum uint32
		for i := 0; i+1 < len(b); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(b[i:]))
		}
		for sum > 0xffff {
			sum = sum>>16 + sum&0xffff
		}
		binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	}
	return b
}

// TestFlows: in each family, with the hub and without, a small packet is
// answered, a larger one than the bottleneck carries is reported with what it
// quotes, and one that is larger than the link isn't sent.
func TestFlows(t *testing.T) {
	topology := netlab.Path(1500, 1400, netlab.PTB{})
	for i := range topology.Nodes {
		if topology.Nodes[i].Name == "cli" {
			topology.Nodes[i].Sysctls = map[string]string{"net.ipv4.ping_group_range": "0 2147483647"}
		}
	}
	lab := build(t, topology)
	var hub *Hub
	inside(t, lab, "cli", func() (err error) { hub, err = OpenHub(); return err })
	defer func() { assert.NoError(t, hub.Close()) }()

	for _, family := range []int{4, 6} {
		header := 20
		if family == 6 {
			header = 40
		}
		srv, _ := lab.Addr("srv", family)
		r1, _ := lab.Addr("r1", family)
		for _, h := range []*Hub{nil, hub} {
			t.Run(fmt.Sprintf("icmp%d/hub=%v", family, h != nil), func(t *testing.T) {
				var f *Flow
				inside(t, lab, "cli", func() (err error) { f, err = OpenICMP(h, netip.Addr{}, srv, 4711); return err })
				defer func() { assert.NoError(t, f.Close()) }()
				assert.Nil(t, f.Heard())
				require.NoError(t, f.Send(echo(srv, 4711, 1, 1400)))
				m := receive(t, f)
				require.Nil(t, m.Error)
				assert.Len(t, m.Data, 1400-header)
				assert.Equal(t, f.Local().Port(), binary.BigEndian.Uint16(m.Data[4:]))

				require.NoError(t, f.Send(echo(srv, 4711, 2, 1401)))
				m = receive(t, f)
				require.NotNil(t, m.Error)
				checkTooBig(t, m, family, r1, 1400)
				assert.Equal(t, uint16(2), binary.BigEndian.Uint16(m.Error.Quote.Payload[6:]))
				if h != nil {
					assert.Equal(t, Quote{Src: m.Error.Quote.Src, Dst: srv, Proto: m.Error.Quote.Proto, TTL: TTL, Length: 1401, Payload: m.Error.Quote.Payload}, m.Error.Quote)
				}

				// The kernel has learnt 1400 now. It must not stop us.
				require.NoError(t, f.Send(echo(srv, 4711, 3, 1450)))
				checkTooBig(t, receive(t, f), family, r1, 1400)

				var failed *SendError
				require.ErrorAs(t, f.Send(echo(srv, 4711, 4, 1501)), &failed)
				assert.True(t, failed.TooBig, "%v", failed)
				require.NoError(t, f.Send(echo(srv, 4711, 5, 100)), "the next one is sent")
				assert.Len(t, receive(t, f).Data, 100-header)
			})
			t.Run(fmt.Sprintf("udp%d/hub=%v", family, h != nil), func(t *testing.T) {
				const port = 33434
				var f *Flow
				inside(t, lab, "cli", func() (err error) {
					f, err = OpenUDP(h, netip.Addr{}, netip.AddrPortFrom(srv, port))
					return err
				})
				defer func() { assert.NoError(t, f.Close()) }()
				payload := func(size int) []byte { return []byte(fmt.Sprintf("%-*d", size-header-8, size)) }

				require.NoError(t, f.Send(payload(1400)))
				m := receive(t, f)
				require.NotNil(t, m.Error)
				assert.Equal(t, srv, m.From)
				assert.Contains(t, [][2]uint8{{3, 3}, {1, 4}}, [2]uint8{m.Error.Type, m.Error.Code}, "port unreachable")
				assert.Equal(t, "1400", string(m.Error.Quote.Payload[:4]))

				require.NoError(t, f.Send(payload(1401)), "the error of the packet before isn't this one's")
				m = receive(t, f)
				require.NotNil(t, m.Error)
				checkTooBig(t, m, family, r1, 1400)
				assert.Equal(t, "1401", string(m.Error.Quote.Payload[:4]))
				if h != nil {
					m := heard(t, f)
					assert.Equal(t, 1400, m.Error.Quote.Length)
					m = heard(t, f)
					checkTooBig(t, m, family, r1, 1400)
					assert.Equal(t, 1401, m.Error.Quote.Length)
					assert.Equal(t, TTL, m.Error.Quote.TTL)
					assert.Equal(t, uint16(port), binary.BigEndian.Uint16(m.Error.Quote.Transport[2:]))
				}

				var failed *SendError
				require.ErrorAs(t, f.Send(payload(1501)), &failed)
				assert.True(t, failed.TooBig, "%v", failed)
			})
		}
	}
}

func checkTooBig(t *testing.T, m Message, family int, from netip.Addr, mtu int) {
	t.Helper()
	require.NotNil(t, m.Error)
	assert.Equal(t, from, m.From)
	if family == 4 {
		assert.Equal(t, [2]uint8{3, 4}, [2]uint8{m.Error.Type, m.Error.Code})
	} else {
		assert.Equal(t, [2]uint8{2, 0}, [2]uint8{m.Error.Type, m.Error.Code})
	}
	assert.Equal(t, mtu, m.Error.MTU)
}

// TestHubKeepsFlowsApart: flows to one target each hear of themselves only.
func TestHubKeepsFlowsApart(t *testing.T) {
	lab := build(t, netlab.Path(1500, 1400, netlab.PTB{}))
	srv, _ := lab.Addr("srv", 4)
	var hub *Hub
	flows := make([]*Flow, 3)
	inside(t, lab, "cli", func() (err error) {
		if hub, err = OpenHub(); err != nil {
			return err
		}
		for i := range flows {
			if flows[i], err = OpenICMP(hub, netip.Addr{}, srv, uint16(i+1)); err != nil {
				return err
			}
		}
		return nil
	})
	defer func() { assert.NoError(t, hub.Close()) }()
	for i, f := range flows {
		require.NoError(t, f.Send(echo(srv, uint16(i+1), uint16(i), 1500)))
		require.NoError(t, f.Send(echo(srv, uint16(i+1), uint16(i), 60)))
	}
	for i, f := range flows {
		m := receive(t, f)
		checkTooBig(t, m, 4, m.From, 1400)
		assert.Equal(t, uint16(i+1), binary.BigEndian.Uint16(m.Error.Quote.Payload[4:]))
		assert.Equal(t, uint16(i+1), binary.BigEndian.Uint16(receive(t, f).Data[4:]))
		require.Empty(t, f.inbox)
		require.NoError(t, f.Close())
	}
	assert.Empty(t, hub.flows)
}

// TestNoPrivilege: without CAP_NET_RAW and outside of ping_group_range, the
// error says what would help.
func TestNoPrivilege(t *testing.T) {
	topology := netlab.Chain("plain", netlab.PTB{}, 1500)
	topology.Nodes[0].Sysctls = map[string]string{"net.ipv4.ping_group_range": "1 0"} // nobody
	lab := build(t, topology)
	srv, _ := lab.Addr("srv", 4)
	inside(t, lab, "cli", func() error {
		_, err := OpenICMP(nil, netip.Addr{}, srv, 1)
		var p *PrivilegeError
		if !errors.As(err, &p) {
			return fmt.Errorf("got %w", err)
		}
		assert.ErrorContains(t, p, "net.ipv4.ping_group_range")
		assert.ErrorContains(t, p, "CAP_NET_RAW")
		assert.ErrorIs(t, p, unix.EACCES)
		return nil
	})
}

func TestLinkTo(t *testing.T) {
	lab := build(t, netlab.Chain("plain", netlab.PTB{}, 1400))
	for _, family := range []int{4, 6} {
		srv, _ := lab.Addr("srv", family)
		cli, _ := lab.Addr("cli", family)
		inside(t, lab, "cli", func() error {
			l, err := LinkTo(netip.Addr{}, srv)
			if err != nil {
				return err
			}
			assert.Equal(t, 1400, l.MTU)
			assert.Equal(t, cli, l.Source)
			l2, err := LinkTo(cli, srv)
			assert.NoError(t, err)
			assert.Equal(t, l, l2)
			if family == 6 {
				l3, err := LinkTo(netip.Addr{}, netip.MustParseAddr("fe80::1%"+l.Name))
				assert.NoError(t, err)
				assert.Equal(t, l.Name, l3.Name)
				_, err = LinkTo(netip.Addr{}, netip.MustParseAddr("fe80::1%nope"))
				assert.ErrorContains(t, err, `zone "nope": no such interface`)
			}
			return nil
		})
	}
	inside(t, lab, "cli", func() error {
		_, err := LinkTo(netip.Addr{}, netip.MustParseAddr("203.0.113.1"))
		assert.ErrorContains(t, err, "no route to 203.0.113.1")
		srv, _ := lab.Addr("srv", 4)
		_, err = LinkTo(netip.MustParseAddr("203.0.113.77"), srv)
		assert.ErrorContains(t, err, "source address 203.0.113.77")
		return nil
	})
}

// TestReceiveEnds: a Receive that waits ends with its context, and with Close.
func TestReceiveEnds(t *testing.T) {
	f, err := OpenUDP(nil, netip.Addr{}, netip.MustParseAddrPort("127.0.0.1:9"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { _, err := f.Receive(ctx); ended <- err }()
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	go func() { _, err := f.Receive(context.Background()); ended <- err }()
	require.NoError(t, f.Close())
	require.Error(t, <-ended)
}
