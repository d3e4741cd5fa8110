// Package eventlog writes the events of a plpmtud.Path where people and tools
// read them: as structured log records (Slog), and as qlog (Qlog), the format
// that QUIC tools draw. Each is a plpmtud.Config.Trace; plpmtud.Traces joins
// several.
//
// The core knows neither: it calls a function.
package eventlog
