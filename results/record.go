package results

import "time"

// Schema is the version that a Record carries. It rises when a field is added.
const Schema = 3

// Record is the result of measuring one target. All sizes are whole IP packets
// in bytes, all durations microseconds. A Record is plain data; it isn't safe
// for concurrent changes.
type Record struct {
	Schema  int       `json:"schema" parquet:"schema"`                      // that the record follows: 1 to Schema
	Tool    string    `json:"tool" parquet:"tool,dict"`                     // program and version
	Run     string    `json:"run" parquet:"run,dict"`                       // the same for all records of one invocation
	Time    time.Time `json:"time" parquet:"time,timestamp(microsecond)"`   // when the measurement began
	Target  string    `json:"target" parquet:"target"`                      // as it was given
	Address string    `json:"address,omitempty" parquet:"address,optional"` // what Target resolved to
	Family  int       `json:"family" parquet:"family"`                      // 4 or 6; 0: not known, because the target didn't resolve
	AS      uint32    `json:"as,omitempty" parquet:"as,optional"`           // that announces the address; 0: not known
	Vantage Vantage   `json:"vantage" parquet:"vantage"`
	Worker  *Worker   `json:"worker,omitempty" parquet:"worker,optional"` // of a survey that many machines share
	Methods []Method  `json:"methods" parquet:"methods,list"`

	// PMTU is null unless a packet of exactly this size was confirmed end to end.
	PMTU       *int        `json:"pmtu" parquet:"pmtu,optional"`
	Verdict    Verdict     `json:"verdict" parquet:"verdict,dict"`
	Confidence float64     `json:"confidence" parquet:"confidence"` // one less the probability that losses by chance explain PMTU
	Direction  Direction   `json:"direction" parquet:"direction,dict"`
	Bottleneck *Bottleneck `json:"bottleneck,omitempty" parquet:"bottleneck,optional"`
	PTB        []PTB       `json:"ptb,omitempty" parquet:"ptb,list"`
	Loss       []Loss      `json:"loss,omitempty" parquet:"loss,list"`
	HBH        *HBH        `json:"hbh,omitempty" parquet:"hbh,optional"`
	Truncation *Truncation `json:"truncation,omitempty" parquet:"truncation,optional"`
	MSS        *MSS        `json:"mss,omitempty" parquet:"mss,optional"`
	Evidence   []string    `json:"evidence,omitempty" parquet:"evidence,list"`    // for people: why this verdict
	Error      string      `json:"error,omitempty" parquet:"error,optional,dict"` // for people: why there is no PMTU
}

// Vantage says where the measurement was made from.
type Vantage struct {
	Name      string `json:"name,omitempty" parquet:"name,optional,dict"`
	Source    string `json:"source,omitempty" parquet:"source,optional,dict"` // local address of the flow
	Interface string `json:"interface,omitempty" parquet:"interface,optional,dict"`
	MTU       int    `json:"mtu,omitempty" parquet:"mtu,optional"` // of the first hop's link
}

// Worker says which of the workers of a shared survey measured, and how its
// clock was: Record.Time and all durations are by that clock.
type Worker struct {
	ID    string `json:"id" parquet:"id,dict"` // unique in the survey
	Host  string `json:"host,omitempty" parquet:"host,optional,dict"`
	PID   int    `json:"pid,omitempty" parquet:"pid,optional"`
	Epoch uint32 `json:"epoch" parquet:"epoch"` // of the target's shard: more than 1 if it was handed out again
	// ClockOffset is what has to be added to the worker's clock to get that of
	// the queue, in microseconds, and ClockError how wrong that may be. Both are
	// nil if the clocks were not compared.
	ClockOffset *int64 `json:"clock_offset_us" parquet:"clock_offset_us,optional"`
	ClockError  *int64 `json:"clock_error_us" parquet:"clock_error_us,optional"`
}

// Method is what one method found in one flow.
type Method struct {
	Method     string    `json:"method" parquet:"method,dict"` // "icmp", "udp", ...
	Flow       string    `json:"flow" parquet:"flow"`          // the unchanging addresses and ports, or identifier
	PMTU       *int      `json:"pmtu" parquet:"pmtu,optional"`
	Verdict    Verdict   `json:"verdict" parquet:"verdict,dict"`
	Direction  Direction `json:"direction" parquet:"direction,dict"`
	ProbesSent int       `json:"probes_sent" parquet:"probes_sent"` // packets of every size, control probes included
	ProbesLost int       `json:"probes_lost" parquet:"probes_lost"` // those without an answer of any kind
	BytesSent  int64     `json:"bytes_sent" parquet:"bytes_sent"`   // IP packets, headers included
	RTT        int64     `json:"rtt_us" parquet:"rtt_us"`           // smoothed, of control probes; 0: never answered
	Elapsed    int64     `json:"elapsed_us" parquet:"elapsed_us"`
	Error      string    `json:"error,omitempty" parquet:"error,optional,dict"`
}

// Bottleneck is the place where the path shrinks to PMTU.
type Bottleneck struct {
	Hop      int    `json:"hop,omitempty" parquet:"hop,optional"` // 1: the first router; 0: not known
	Addr     string `json:"addr,omitempty" parquet:"addr,optional"`
	Evidence string `json:"evidence" parquet:"evidence,dict"`
}

// PTB is one kind of Packet Too Big message that came: who sent it and which
// MTU it named.
type PTB struct {
	From  string `json:"from" parquet:"from,dict"`             // address
	Hop   int    `json:"hop,omitempty" parquet:"hop,optional"` // 0: not known
	MTU   int    `json:"mtu" parquet:"mtu"`                    // as it was named
	Grade Grade  `json:"grade" parquet:"grade,dict"`
	Count int    `json:"count,omitempty" parquet:"count,optional"` // messages
}

// Loss counts the packets of one size.
type Loss struct {
	Size int `json:"size" parquet:"size"`
	Sent int `json:"sent" parquet:"sent"`
	Lost int `json:"lost" parquet:"lost"` // no answer of any kind
}

// HBH is what became of the Minimum Path MTU Hop-by-Hop option (RFC 9268).
type HBH struct {
	Sent        bool   `json:"sent" parquet:"sent"`
	Survived    bool   `json:"survived" parquet:"survived"`                    // it came back
	MinPMTU     int    `json:"min_pmtu,omitempty" parquet:"min_pmtu,optional"` // as it was reported; 0: it was not
	RewrittenAt string `json:"rewritten_at,omitempty" parquet:"rewritten_at,optional"`
}

// Truncation is what became of packets that routers may truncate
// (draft-leddy-6man-truncate).
type Truncation struct {
	Sent     bool `json:"sent" parquet:"sent"`
	Survived bool `json:"survived" parquet:"survived"`
	MTU      int  `json:"mtu,omitempty" parquet:"mtu,optional"`
}

// MSS is the TCP maximum segment size as it was offered and as it arrived, in
// bytes of TCP payload (RFC 9293 section 3.7.1).
type MSS struct {
	Sent     int    `json:"sent" parquet:"sent"`
	Received int    `json:"received,omitempty" parquet:"received,optional"`
	Clamped  bool   `json:"clamped" parquet:"clamped"`
	At       string `json:"at,omitempty" parquet:"at,optional"`
}
