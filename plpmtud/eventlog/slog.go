package eventlog

import (
	"context"
	"log/slog"

	"pathmtu/plpmtud"
)

// Slog returns a trace that logs events: changes of the PLPMTU and of the state
// at level Info, trouble (black and grey holes, ERROR) at Warn, probes and hints
// at Debug. All sizes are PL sizes in bytes. The record's time is the event's.
func Slog(h slog.Handler) func(plpmtud.Event) {
	return func(e plpmtud.Event) {
		ctx, level := context.Background(), level(e)
		if !h.Enabled(ctx, level) {
			return
		}
		r := slog.NewRecord(e.Time, level, "plpmtud "+e.Kind.String(), 0)
		r.AddAttrs(slog.String("cause", e.Cause.String()), slog.Int("plpmtu", e.New))
		switch e.Kind {
		case plpmtud.StateChange:
			r.AddAttrs(slog.String("from", e.From.String()), slog.String("to", e.To.String()))
		case plpmtud.SizeChange:
			r.AddAttrs(slog.Int("old", e.Old))
		case plpmtud.ProbeSent, plpmtud.ProbeAcked, plpmtud.ProbeLost:
			r.AddAttrs(slog.Uint64("probe", uint64(e.ID)), slog.Int("size", e.Size), slog.Bool("late", e.Late))
		case plpmtud.HintUsed, plpmtud.HintIgnored:
			r.AddAttrs(slog.String("source", e.Hint.Source.String()), slog.Int("mtu", e.Hint.MTU))
		default:
			r.AddAttrs(slog.Int("size", e.Size))
		}
		_ = h.Handle(ctx, r) // a log that fails must not stop the path
	}
}

func level(e plpmtud.Event) slog.Level {
	switch e.Kind {
	case plpmtud.StateChange:
		if e.To == plpmtud.Error || e.Cause == plpmtud.BlackHoled {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case plpmtud.SizeChange:
		return slog.LevelInfo
	case plpmtud.GreyHole, plpmtud.Suspected:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
