package cli

import (
	"context"
	"errors"
	"time"

	"pathmtu/internal/rawsock"
	"pathmtu/probe"
)

// drive is the loop between a session and its flow: it owns the clock. When ctx
// ends, the session is interrupted.
func drive(ctx context.Context, s *probe.Session, flow *rawsock.Flow) error {
	inner, cancel := context.WithCancel(context.Background())
	defer cancel()
	inbox := make(chan rawsock.Message)
	broken := make(chan error, 1)
	go func() {
		for {
			m, err := flow.Receive(inner)
			if err != nil {
				broken <- err
				return
			}
			select {
			case inbox <- m:
			case <-inner.Done():
				broken <- inner.Err()
				return
			}
		}
	}()
	defer func() { cancel(); <-broken }()

	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if ctx.Err() != nil {
			s.Interrupt(time.Now())
		}
		if err := sendDue(s, flow); err != nil {
			return err
		}
		if s.Done() {
			return nil
		}
		timer.Reset(time.Until(s.Next()))
		select {
		case <-ctx.Done():
		case err := <-broken:
			broken <- err
			return err
		case m := <-inbox:
			if m.Error == nil || flow.Heard() == nil {
				receive(s, m)
			}
		case m := <-flow.Heard():
			receive(s, m)
		case <-timer.C:
		}
	}
}

// sendDue sends what the session has to send now.
func sendDue(s *probe.Session, flow *rawsock.Flow) error {
	for {
		p, ok := s.Poll(time.Now())
		if !ok {
			return nil
		}
		err := flow.Send(p.Data)
		if err == nil {
			continue
		}
		var failed *rawsock.SendError
		if !errors.As(err, &failed) {
			return err
		}
		s.SendFailed(time.Now(), p.ID, probe.Failure{TooBig: failed.TooBig, Transient: failed.Transient, Err: err})
	}
}

func receive(s *probe.Session, m rawsock.Message) {
	if m.Error == nil {
		s.Received(m.At, m.Data)
		return
	}
	q := m.Error.Quote
	s.ICMP(m.At, probe.ICMPError{
		From: m.From, Type: m.Error.Type, Code: m.Error.Code, MTU: m.Error.MTU,
		Quote: probe.Quote{Length: q.Length, TTL: q.TTL, Transport: q.Transport, Payload: q.Payload},
	})
}
