package fleet

import (
	"bytes"
	"encoding/json"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pathmtu/probe/survey"
)

func FuzzDecodeOrigins(f *testing.F) {
	b, err := EncodeOrigins([]byte("192.0.2.0/24 64500\n2001:db8::\t32\t64501_64502 # x\n"))
	require.NoError(f, err)
	f.Add(b, "192.0.2.9")
	f.Add([]byte(originsMagic), "::")
	f.Add(append([]byte(listMagic), b[len(originsMagic):]...), "2001:db8::1")
	f.Fuzz(func(t *testing.T, b []byte, text string) {
		o, err := decodeOrigins(b)
		if err != nil {
			return
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		u, _, err := unpack(b, originsMagic, mostOrigins)
		require.NoError(t, err)
		defer u.close()
		raw, err := io.ReadAll(u)
		require.NoError(t, err)
		again, err := survey.ReadOrigins("again", bytes.NewReader(raw))
		require.NoError(t, err)
		require.Equal(t, again.Of(a), o.Of(a))
	})
}

// Whatever a ledger was, once read it never gives out more than the whole.
func FuzzLedger(f *testing.F) {
	at := time.Unix(1e9, 0).UTC()
	b, err := json.Marshal(Ledger{Grants: []Grant{{"a", 0.5, at.Add(time.Second)}, {"b", 0.25, at.Add(-time.Second)}}})
	require.NoError(f, err)
	f.Add(b, []byte{0, 1, 2, 3, 250, 17})
	f.Add([]byte(`{"grants":[{"worker":"a","share":1e-308,"until":"0000-01-01T00:00:00Z"}]}`), []byte("any"))
	f.Add([]byte(`{"grants":[{"worker":"a","share":0.7},{"worker":"b","share":0.7}]}`), []byte{})
	f.Fuzz(func(t *testing.T, b []byte, steps []byte) {
		l, err := decodeLedger(b)
		if err != nil {
			return
		}
		now := at
		for _, x := range steps[:min(len(steps), 100)] {
			worker := string('a' + rune(x>>2&7))
			switch x & 3 {
			case 0:
				if share, ok := l.Take(now, now.Add(time.Second), worker, int(x>>5)); ok {
					require.Positive(t, share)
				}
			case 1:
				l.Renew(now, now.Add(time.Second), worker)
			case 2:
				l.Drop(worker)
			case 3:
				now = now.Add(time.Duration(x) * 10 * time.Millisecond)
			}
			text, err := json.Marshal(l)
			require.NoError(t, err)
			l, err = decodeLedger(text)
			require.NoError(t, err, "after a step: %s", text)
		}
	})
}

func FuzzDecodeShard(f *testing.F) {
	p := samplePlan()
	b, err := json.Marshal(p.At(2, "a"))
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"survey":"s","vantage":"a","shard":3,"start":18446744073709551615,"count":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeShard(b)
		if err != nil {
			return
		}
		require.LessOrEqual(t, s.Start+s.Count, uint64(survey.MostTargets))
		c := newCursor(s)
		c.finish(s.Count - 1)
		require.EqualValues(t, 1, c.count())
		if p.check(s) == nil {
			require.Less(t, s.Number, p.Shards())
		}
		text, err := json.Marshal(s)
		require.NoError(t, err)
		again, err := DecodeShard(text)
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}

func FuzzDecodeState(f *testing.F) {
	f.Add([]byte(`{"state":"running","enqueued":7}`))
	f.Add([]byte(`{"state":"asleep"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 128 {
			return
		}
		st, err := decodeState(b)
		if known := st.Phase == Running || st.Phase == Cancelled || st.Phase == Done; known != (err == nil) {
			t.Fatalf("%+v, error %v", st, err)
		}
	})
}

func FuzzDecodeWorker(f *testing.F) {
	n, o := uint64(3), int64(-5)
	b, err := json.Marshal(WorkerInfo{ID: "w-1", Vantage: "ams", Host: "h", PID: 7, Tool: "pmtu 1", Clock: time.Unix(1e9, 0).UTC(), Offset: &o, Error: &o, Survey: "s", Shard: &n, Share: 0.5})
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"id":"w","vantage":"a","host":"\u001b[2J"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := decodeWorker(b)
		if err != nil {
			require.Zero(t, i)
			return
		}
		require.NoError(t, CheckName("worker", i.ID))
		require.NotContains(t, i.Host+i.Tool+i.Survey, "\x1b")
		text, err := json.Marshal(i)
		if err != nil { // a year that JSON has no form for
			return
		}
		again, err := decodeWorker(text)
		require.NoError(t, err)
		require.Equal(t, i.ID, again.ID)
	})
}
