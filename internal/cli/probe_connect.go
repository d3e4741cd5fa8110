package cli

import (
	"context"
	"fmt"
	"net/netip"

	"pathmtu/internal/rawsock"
	"pathmtu/probe"
	"pathmtu/results"
)

// connected measures by segments of an established connection. False: the port
// isn't open, or the host doesn't answer such segments; SYNs may do.
func (m *measurer) connected(ctx context.Context, t target, link rawsock.Link, do task) (probe.Outcome, bool) {
	within, cancel := context.WithTimeout(ctx, max(m.options.timeout, probe.DefaultTimeout))
	defer cancel()
	port := m.port("tcp")
	flow, shake, err := rawsock.ConnectTCP(within, m.hub, link.Source, netip.AddrPortFrom(t.addr, port))
	if err != nil {
		return probe.Outcome{}, false
	}
	method, err := probe.NewTCPConnection(m.target(t), shake.SynAck, shake.Age)
	if err != nil {
		_ = flow.Close()
		return probe.Outcome{}, false
	}
	p, err := m.prepareFor(flow, method, t, link, do)
	if err != nil {
		return probe.Outcome{}, false
	}
	o, err := p.run(ctx)
	if err != nil || o.Verdict == results.Unresponsive {
		return probe.Outcome{}, false
	}
	o.Evidence = append([]string{fmt.Sprintf("segments of a connection to port %d, which was reset afterwards", port)}, o.Evidence...)
	return o, true
}
