package eventlog

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"pathmtu/plpmtud"
)

// A Qlog writes a qlog trace as a JSON text sequence (draft-ietf-quic-qlog-main-schema,
// RFC 7464): for each change of the PLPMTU the event recovery:mtu_updated with
// old, new and done, and for everything else events of the private namespace
// plpmtud. Safe for concurrent use.
type Qlog struct {
	mu      sync.Mutex
	w       io.Writer
	start   time.Time
	started bool
	err     error
}

// NewQlog returns a Qlog that writes to w. Nothing is written before the first
// event, whose time the later ones count from.
func NewQlog(w io.Writer) *Qlog { return &Qlog{w: w} }

// Err returns the first error of writing; nothing is written after it.
func (q *Qlog) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.err
}

type (
	header struct {
		FileSchema          string `json:"file_schema"`
		SerializationFormat string `json:"serialization_format"`
		Title               string `json:"title"`
		Trace               trace  `json:"trace"`
	}
	trace struct {
		EventSchemas []string       `json:"event_schemas"`
		CommonFields map[string]any `json:"common_fields"`
		VantagePoint map[string]any `json:"vantage_point"`
	}
	record struct {
		Time float64        `json:"time"`
		Name string         `json:"name"`
		Data map[string]any `json:"data"`
	}
)

// Trace writes one event.
func (q *Qlog) Trace(e plpmtud.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.started {
		q.started, q.start = true, e.Time
		q.write(header{
			FileSchema: "urn:ietf:params:qlog:file:sequential", SerializationFormat: "application/qlog+json-seq",
			Title: "path MTU discovery",
			Trace: trace{
				EventSchemas: []string{"urn:ietf:params:qlog:events:quic", "urn:pathmtu:qlog:events:plpmtud"},
				CommonFields: map[string]any{"reference_time": map[string]any{
					"clock_type": "system", "epoch": e.Time.UTC().Format(time.RFC3339Nano),
				}, "time_format": "relative_to_epoch"},
				VantagePoint: map[string]any{"type": "client"},
			},
		})
	}
	r := record{Time: float64(e.Time.Sub(q.start).Microseconds()) / 1000}
	if e.Kind == plpmtud.SizeChange {
		r.Name = "recovery:mtu_updated"
		r.Data = map[string]any{"old": e.Old, "new": e.New, "done": e.To == plpmtud.SearchComplete, "cause": e.Cause.String()}
	} else {
		r.Name, r.Data = "plpmtud:"+e.Kind.String(), data(e)
	}
	q.write(r)
}

func data(e plpmtud.Event) map[string]any {
	d := map[string]any{"cause": e.Cause.String(), "plpmtu": e.New}
	switch e.Kind {
	case plpmtud.StateChange:
		d["from"], d["to"] = e.From.String(), e.To.String()
	case plpmtud.HintUsed, plpmtud.HintIgnored:
		d["source"], d["mtu"] = e.Hint.Source.String(), e.Hint.MTU
	case plpmtud.ProbeSent, plpmtud.ProbeAcked, plpmtud.ProbeLost:
		d["probe"], d["size"], d["late"] = e.ID, e.Size, e.Late
	default:
		d["size"] = e.Size
	}
	return d
}

// write appends one record of a JSON text sequence: RS, JSON, LF.
func (q *Qlog) write(v any) {
	if q.err != nil {
		return
	}
	text, err := json.Marshal(v)
	if err == nil {
		_, err = q.w.Write(append(append([]byte{0x1e}, text...), '\n'))
	}
	q.err = err
}
