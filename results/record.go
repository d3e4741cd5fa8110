package results

import "time"

// Schema is the version that a Record carries. It rises when a field is added.
const Schema = 1

// Record is the result of measuring one target. All sizes are whole IP packets
// in bytes, all durations microseconds. A Record is plain data; it isn't safe
// for concurrent changes.
type Record struct {
	Schema  int       `json:"schema"`
	Tool    string    `json:"tool"`
	Run     string    `json:"run"`
	Time    time.Time `json:"time"`
	Target  string    `json:"target"`
	Address string    `json:"address,omitempty"` // what Target resolved to
	Family  int       `json:"family"`            // 4 or 6; 0: not known, because the target didn't resolve
	Vantage Vantage   `json:"vantage"`
	Methods []Method  `json:"methods"`

	// PMTU is null unless a packet of exactly this size was confirmed end to end.
	PMTU       *int        `json:"pmtu"`
	Verdict    Verdict     `json:"verdict"`
	Confidence float64     `json:"confidence"` // 0 to 1
	Direction  Direction   `json:"direction"`
	Bottleneck *Bottleneck `json:"bottleneck,omitempty"`
	PTB        []PTB       `json:"ptb,omitempty"`
	Loss       []Loss      `json:"loss,omitempty"`
	HBH        *HBH        `json:"hbh,omitempty"`
	Truncation *Truncation `json:"truncation,omitempty"`
	MSS        *MSS        `json:"mss,omitempty"`
	Evidence   []string    `json:"evidence,omitempty"` // for people: why this verdict
	Error      string      `json:"error,omitempty"`
}

// Vantage says where the measurement was made from.
type Vantage struct {
	Name      string `json:"name,omitempty"`
	Source    string `json:"source,omitempty"` // local address of the flow
	Interface string `json:"interface,omitempty"`
	MTU       int    `json:"mtu,omitempty"` // of the first hop's link
}

// Method is what one method found in one flow.
type Method struct {
	Method     string    `json:"method"`
	Flow       string    `json:"flow"`
	PMTU       *int      `json:"pmtu"`
	Verdict    Verdict   `json:"verdict"`
	Direction  Direction `json:"direction"`
	ProbesSent int       `json:"probes_sent"` // packets of every size, control probes included
	ProbesLost int       `json:"probes_lost"` // those without an answer of any kind
	BytesSent  int64     `json:"bytes_sent"`  // IP packets, headers included
	RTT        int64     `json:"rtt_us"`      // smoothed, of control probes; 0: never answered
	Elapsed    int64     `json:"elapsed_us"`
	Error      string    `json:"error,omitempty"`
}

// Bottleneck is the place where the path shrinks to PMTU.
type Bottleneck struct {
	Hop      int    `json:"hop,omitempty"` // 1: the first router; 0: not known
	Addr     string `json:"addr,omitempty"`
	Evidence string `json:"evidence"`
}

// PTB is one kind of Packet Too Big message that came: who sent it and which
// MTU it named.
type PTB struct {
	From  string `json:"from"`
	Hop   int    `json:"hop,omitempty"` // 0: not known
	MTU   int    `json:"mtu"`
	Grade Grade  `json:"grade"`
	Count int    `json:"count,omitempty"`
}

// Loss counts the packets of one size.
type Loss struct {
	Size int `json:"size"`
	Sent int `json:"sent"`
	Lost int `json:"lost"`
}

// HBH is what became of the Minimum Path MTU Hop-by-Hop option (RFC 9268).
type HBH struct {
	Sent        bool   `json:"sent"`
	Survived    bool   `json:"survived"`
	MinPMTU     int    `json:"min_pmtu,omitempty"`
	RewrittenAt string `json:"rewritten_at,omitempty"`
}

// Truncation is what became of packets that routers may truncate
// (draft-leddy-6man-truncate).
type Truncation struct {
	Sent     bool `json:"sent"`
	Survived bool `json:"survived"`
	MTU      int  `json:"mtu,omitempty"`
}

// MSS is the TCP maximum segment size as it was offered and as it arrived.
type MSS struct {
	Sent     int    `json:"sent"`
	Received int    `json:"received,omitempty"`
	Clamped  bool   `json:"clamped"`
	At       string `json:"at,omitempty"`
}
