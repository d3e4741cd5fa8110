package plpmtud

import (
	"testing"
	"time"
)

// The states of the table, reached the way that a path would reach them.
// MIN 500, BASE 1200, MAX 1472; the search climbs 1300, 1400, 1472.
var inState = map[string]func(*pathTest){
	"DISABLED":  func(*pathTest) {},
	"BASE":      func(t *pathTest) { t.start(0).send(1200) },
	"SEARCHING": func(t *pathTest) { t.start(1200).send(1300).ack().send(1400) },
	"SEARCH-":   func(t *pathTest) { t.start(1200).send(1300).ack() },
	"COMPLETE":  func(t *pathTest) { t.start(1200).send(1300).ack().send(1400).ack().fail(1472) },
	"ERROR":     func(t *pathTest) { t.start(0).fail(1200).send(500) },
}

// stateEvents is the state x event table of RFC 8899 section 5.2 and of the
// hints: for each event, the outcome in each state. "SEARCH-" is SEARCHING
// between two probes, "SEARCHING" with a probe of 1400 in flight.
var stateEvents = []struct {
	name string
	id   string // the requirements behind the row
	do   func(*pathTest)
	want map[string]string
}{
	{"nothing", "D5.2-1", func(*pathTest) {}, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCHING 1300 fly 1400",
		"SEARCH-": "SEARCHING 1300 next 1400", "COMPLETE": "SEARCH_COMPLETE 1400 -", "ERROR": "ERROR 500 fly 500"}},
	{"connectivity confirmed", "5.2 DISABLED to BASE", func(t *pathTest) { t.start(0) }, map[string]string{
		"DISABLED": "BASE 500 next 1200", "BASE": "BASE 500 next 1200", "SEARCHING": "BASE 500 next 1200",
		"SEARCH-": "BASE 500 next 1200", "COMPLETE": "BASE 500 next 1200", "ERROR": "BASE 500 next 1200"}},
	{"handshake of BASE size", "5.2 BASE entry", func(t *pathTest) { t.start(1200) }, map[string]string{
		"DISABLED": "SEARCHING 1200 next 1300", "BASE": "SEARCHING 1200 next 1300", "SEARCHING": "SEARCHING 1200 next 1300",
		"SEARCH-": "SEARCHING 1200 next 1300", "COMPLETE": "SEARCHING 1200 next 1300", "ERROR": "SEARCHING 1200 next 1300"}},
	{"connectivity lost", "5.2 to DISABLED", func(t *pathTest) { t.p.Stop(t.now) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "DISABLED 500 -", "SEARCHING": "DISABLED 500 -",
		"SEARCH-": "DISABLED 500 -", "COMPLETE": "DISABLED 500 -", "ERROR": "DISABLED 500 -"}},
	{"probe acknowledged", "D3-1", func(t *pathTest) { t.p.Acked(t.advance(testRTT).now, t.probe.ID) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "SEARCHING 1200 next 1300", "SEARCHING": "SEARCHING 1400 next 1472",
		"SEARCH-": "SEARCHING 1300 next 1400", "COMPLETE": "SEARCH_COMPLETE 1472 -", "ERROR": "ERROR 500 next 1200"}},
	{"probe lost", "D3-4c", func(t *pathTest) { t.p.Lost(t.advance(testRTT).now, t.probe.ID) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 next 1200", "SEARCHING": "SEARCHING 1300 next 1400",
		"SEARCH-": "SEARCHING 1300 next 1400", "COMPLETE": "SEARCH_COMPLETE 1400 -", "ERROR": "ERROR 500 next 500"}},
	{"MAX_PROBES lost", "5.2 count = MAX", func(t *pathTest) {
		for range 3 {
			t.p.Lost(t.advance(testRTT).now, t.probe.ID)
			if probe, ok := t.p.Poll(t.advance(time.Second).now); ok {
				t.probe = probe
			}
		}
	}, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "ERROR 500 fly 500", "SEARCHING": "SEARCH_COMPLETE 1300 -",
		"SEARCH-": "SEARCHING 1300 fly 1400", "COMPLETE": "SEARCH_COMPLETE 1400 -", "ERROR": "DISABLED 500 -"}},
	{"black hole", "D4.3-1", func(t *pathTest) { t.p.BlackHole(t.now) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "BASE 1200 next 1200",
		"SEARCH-": "BASE 1200 next 1200", "COMPLETE": "BASE 1200 next 1200", "ERROR": "ERROR 500 fly 500"}},
	{"raise timer", "D5.1.1-3", func(t *pathTest) { t.p.Poll(t.advance(DefaultRaiseInterval + time.Second).now) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCHING 1300 fly 1400",
		"SEARCH-": "SEARCHING 1300 fly 1400", "COMPLETE": "SEARCHING 1400 fly 1472", "ERROR": "ERROR 500 fly 500"}},
	{"path change", "D3-g", func(t *pathTest) {
		old := t.probe.ID
		t.start(1200)
		t.p.Acked(t.now, old)
	}, map[string]string{
		"DISABLED": "SEARCHING 1200 next 1300", "BASE": "SEARCHING 1200 next 1300", "SEARCHING": "SEARCHING 1200 next 1300",
		"SEARCH-": "SEARCHING 1200 next 1300", "COMPLETE": "SEARCHING 1200 next 1300", "ERROR": "SEARCHING 1200 next 1300"}},

	{"PTB below MIN", "D4.6.2-2", func(t *pathTest) { t.hint(PacketTooBig, 499) }, same("nothing")},
	{"PTB MIN to BASE", "D4.6.2-3", func(t *pathTest) { t.hint(PacketTooBig, 1199) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "ERROR 500 next 1200", "SEARCHING": "ERROR 500 next 1200",
		"SEARCH-": "ERROR 500 next 1200", "COMPLETE": "ERROR 500 next 1200", "ERROR": "ERROR 500 fly 500"}},
	{"PTB BASE to PLPMTU", "D4.6.2-4", func(t *pathTest) { t.hint(PacketTooBig, 1250) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "BASE 1200 next 1200",
		"SEARCH-": "BASE 1200 next 1200", "COMPLETE": "BASE 1200 next 1200", "ERROR": "ERROR 500 fly 500"}},
	{"PTB PLPMTU", "D4.6.2-5", func(t *pathTest) { t.hint(PacketTooBig, t.p.PLPMTU()) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "ERROR 500 next 1200", "SEARCHING": "SEARCH_COMPLETE 1300 -",
		"SEARCH-": "SEARCH_COMPLETE 1300 -", "COMPLETE": "SEARCH_COMPLETE 1400 -", "ERROR": "ERROR 500 fly 500"}},
	{"PTB below the probe", "D4.6.2-5", func(t *pathTest) { t.hint(PacketTooBig, 1350) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCHING 1300 next 1350",
		"SEARCH-": "SEARCHING 1300 next 1400", "COMPLETE": "BASE 1200 next 1200", "ERROR": "ERROR 500 fly 500"}},
	{"PTB the probe's size", "D3-6d", func(t *pathTest) { t.hint(PacketTooBig, 1400) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCHING 1300 fly 1400",
		"SEARCH-": "SEARCHING 1300 next 1400", "COMPLETE": "SEARCH_COMPLETE 1400 -", "ERROR": "ERROR 500 fly 500"}},
	{"PTB above everything", "D3-6c", func(t *pathTest) { t.hint(PacketTooBig, 9000) }, same("nothing")},
	{"Truncated MIN to BASE", "D4.6.2-3", func(t *pathTest) { t.hint(Truncated, 1199) }, same("PTB MIN to BASE")},
	{"Truncated BASE to PLPMTU", "D4.6.2-4", func(t *pathTest) { t.hint(Truncated, 1250) }, same("PTB BASE to PLPMTU")},
	{"Truncated below the probe", "D4.6.2-5", func(t *pathTest) { t.hint(Truncated, 1350) }, same("PTB below the probe")},
	{"Truncated above everything", "D3-6c", func(t *pathTest) { t.hint(Truncated, 9000) }, same("nothing")},

	{"HBH below MIN", "D4.6.2-2", func(t *pathTest) { t.hint(HopByHop, 499) }, same("nothing")},
	{"HBH MIN to BASE", "9268 6.3", func(t *pathTest) { t.hint(HopByHop, 1199) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCHING 1300 fly 1400",
		"SEARCH-": "SEARCHING 1300 next 1300", "COMPLETE": "SEARCH_COMPLETE 1400 next 1400", "ERROR": "ERROR 500 fly 500"}},
	{"HBH BASE to PLPMTU", "9268 6.3", func(t *pathTest) { t.hint(HopByHop, 1250) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCHING 1300 fly 1400",
		"SEARCH-": "SEARCHING 1300 next 1300", "COMPLETE": "SEARCH_COMPLETE 1400 next 1400", "ERROR": "ERROR 500 fly 500"}},
	{"HBH PLPMTU", "D4.6.2-5", func(t *pathTest) { t.hint(HopByHop, t.p.PLPMTU()) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCH_COMPLETE 1300 -",
		"SEARCH-": "SEARCH_COMPLETE 1300 -", "COMPLETE": "SEARCH_COMPLETE 1400 -", "ERROR": "ERROR 500 fly 500"}},
	{"HBH below the probe", "D4.6.2-5", func(t *pathTest) { t.hint(HopByHop, 1350) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCHING 1300 next 1350",
		"SEARCH-": "SEARCHING 1300 next 1350", "COMPLETE": "SEARCH_COMPLETE 1400 next 1400", "ERROR": "ERROR 500 fly 500"}},
	{"HBH above everything", "H9", func(t *pathTest) { t.hint(HopByHop, 9000) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCHING 1300 fly 1400",
		"SEARCH-": "SEARCHING 1300 next 1472", "COMPLETE": "SEARCHING 1400 next 1472", "ERROR": "ERROR 500 fly 500"}},

	{"maximum above PLPMTU", "D3-5a", func(t *pathTest) { t.p.SetMax(t.now, 1399) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCH_COMPLETE 1300 -",
		"SEARCH-": "SEARCH_COMPLETE 1300 -", "COMPLETE": "SEARCH_COMPLETE 1399 -", "ERROR": "ERROR 500 fly 500"}},
	{"maximum below PLPMTU", "D3-5a", func(t *pathTest) { t.p.SetMax(t.now, 1250) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCH_COMPLETE 1250 -",
		"SEARCH-": "SEARCH_COMPLETE 1250 -", "COMPLETE": "SEARCH_COMPLETE 1250 -", "ERROR": "ERROR 500 fly 500"}},
	{"maximum below BASE", "D5.1.2-1", func(t *pathTest) { t.p.SetMax(t.now, 1000) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 next 1000", "SEARCHING": "SEARCH_COMPLETE 1000 -",
		"SEARCH-": "SEARCH_COMPLETE 1000 -", "COMPLETE": "SEARCH_COMPLETE 1000 -", "ERROR": "ERROR 500 fly 500"}},
	{"maximum below MIN", "D5.1.2-1", func(t *pathTest) { t.p.SetMax(t.now, 400) }, map[string]string{
		"DISABLED": "DISABLED 400 -", "BASE": "DISABLED 400 -", "SEARCHING": "DISABLED 400 -",
		"SEARCH-": "DISABLED 400 -", "COMPLETE": "DISABLED 400 -", "ERROR": "DISABLED 400 -"}},
	{"maximum raised", "D3-5b", func(t *pathTest) { t.p.SetMax(t.now, 2000) }, map[string]string{
		"DISABLED": "DISABLED 500 -", "BASE": "BASE 500 fly 1200", "SEARCHING": "SEARCHING 1300 fly 1400",
		"SEARCH-": "SEARCHING 1300 next 1400", "COMPLETE": "SEARCH_COMPLETE 1400 -", "ERROR": "ERROR 500 fly 500"}},
}

// same stands for another row's outcomes.
func same(row string) map[string]string { return map[string]string{"": row} }

func TestStateEventTable(t *testing.T) {
	rows := map[string]map[string]string{}
	for _, row := range stateEvents {
		want := row.want
		if ref, ok := want[""]; ok {
			want = rows[ref]
		}
		rows[row.name] = want
		for state, enter := range inState {
			t.Run(row.name+"/"+state+" ("+row.id+")", func(t *testing.T) {
				pt := newPathTest(t, testConfig)
				enter(pt)
				row.do(pt)
				pt.is(want[state])
			})
		}
	}
}
