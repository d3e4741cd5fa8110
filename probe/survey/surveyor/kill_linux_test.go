package surveyor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/internet"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/probe/survey"
	"pathmtu/results"
)

// asSurvey in the environment makes the test binary a program that surveys.
const asSurvey = "SURVEYOR_TEST_CHILD"

// job is what the child is to do.
type job struct {
	Dir      string
	List     string
	Batch    int
	Rate     float64
	Resume   bool
	Interval time.Duration
}

func TestMain(m *testing.M) {
	if text := os.Getenv(asSurvey); text != "" {
		var j job
		err := json.Unmarshal([]byte(text), &j)
		if err == nil {
			err = j.run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func (j *job) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT)
	defer stop()
	out, at := filepath.Join(j.Dir, "r.jsonl"), filepath.Join(j.Dir, "checkpoint")
	o := Options{
		Run: "test", Plan: "plan", Checkpoint: at, Interval: j.Interval,
		Survey: survey.Config{Link4: 1500, Link6: 1500, Seed: 5, Total: survey.Rates{Packets: j.Rate}, Timeout: 300 * time.Millisecond, Cooldown: 300 * time.Millisecond, Calm: 200 * time.Millisecond},
	}
	f, err := os.Open(j.List)
	if err != nil {
		return err
	}
	o.Batches = NewBatches(nil, []Input{{j.List, f}}, survey.Selection{Lab: true}, j.Batch)
	if j.Resume {
		if o.Resume, err = ReadCheckpoint(at); err != nil {
			return err
		}
		o.Sink, err = ResumeLinesFile(out, o.Resume.Offset)
	} else {
		o.Sink, err = NewLinesFile(out)
	}
	if err != nil {
		return err
	}
	if o.Conn, err = OpenConn(ConnConfig{Source4: internet.Source4, Source6: internet.Source6, Device: internet.Device}); err != nil {
		return err
	}
	_, err = Run(ctx, o)
	if err == nil {
		err = o.Sink.Close()
	}
	return err
}

func (j job) start(t *testing.T, lab *internet.Lab) *exec.Cmd {
	text, err := json.Marshal(j)
	require.NoError(t, err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), asSurvey+"="+string(text))
	cmd.Stderr = os.Stderr
	require.NoError(t, lab.Start(cmd))
	return cmd
}

// fast is a simulated Internet without chance, and near.
func fast() internet.Config {
	c := internet.Default()
	c.Loss, c.EchoLimited, c.DelayLeast, c.DelayMost = 0, 0, 0, 20*time.Millisecond
	return c
}

func lab(t *testing.T, c internet.Config) (*internet.World, *internet.Lab) {
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	w, err := internet.New(c)
	require.NoError(t, err)
	l, err := internet.Build(t.Context(), w)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return w, l
}

func writeTargets(t *testing.T, name string, n int) {
	var b strings.Builder
	for _, family := range []int{4, 6} {
		seq, err := internet.Targets(1, family, n)
		require.NoError(t, err)
		for a := range seq {
			b.WriteString(a.String() + "\n")
		}
	}
	require.NoError(t, os.WriteFile(name, []byte(b.String()), 0o600))
}

// readResults returns the results by address; each must be there once.
func readResults(t *testing.T, name string) map[netip.Addr]*results.Record {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	out := map[netip.Addr]*results.Record{}
	for r := results.NewReader(f); ; {
		rec, err := r.Read()
		if err == io.EOF {
			return out
		}
		require.NoError(t, err)
		a := netip.MustParseAddr(rec.Address)
		require.Nil(t, out[a], "two results for %v", a)
		out[a] = rec
	}
}

// judge holds results against the truth.
func judge(t *testing.T, w *internet.World, got map[netip.Addr]*results.Record) (right int) {
	for a, r := range got {
		h := w.Host(a)
		want, pmtu := h.Visible("icmp"), 0
		if r.PMTU != nil {
			pmtu = *r.PMTU
		}
		require.LessOrEqual(t, pmtu, h.MTU, "above the truth: %+v", h)
		if pmtu == want {
			right++
		}
	}
	return right
}

// TestKill: a survey that is killed at ten random moments, and goes on each time,
// has exactly one result for each target in the end, and they are right.
func TestKill(t *testing.T) {
	w, l := lab(t, fast())
	dir := t.TempDir()
	const n = 600
	j := job{Dir: dir, List: filepath.Join(dir, "list"), Batch: 500, Rate: 1500, Interval: 50 * time.Millisecond}
	writeTargets(t, j.List, n)
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	kills := 0
	for kills < 10 {
		cmd := j.start(t, l)
		require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "checkpoint")); return err == nil }, 20*time.Second, time.Millisecond)
		time.Sleep(time.Duration(50+r.IntN(300)) * time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		if cmd.Wait() == nil {
			break // it was faster
		}
		kills++
		j.Resume = true
		c, err := ReadCheckpoint(filepath.Join(dir, "checkpoint"))
		require.NoError(t, err)
		s, err := os.Stat(filepath.Join(dir, "r.jsonl"))
		require.NoError(t, err)
		require.GreaterOrEqual(t, s.Size(), c.Offset)
	}
	require.Greater(t, kills, 4, "the survey was too short to be killed")
	require.NoError(t, j.start(t, l).Wait())
	got := readResults(t, filepath.Join(dir, "r.jsonl"))
	require.Len(t, got, 2*n)
	assert.Greater(t, judge(t, w, got), 2*n*98/100)
	t.Logf("killed %d times", kills)

	before, err := os.ReadFile(filepath.Join(dir, "r.jsonl"))
	require.NoError(t, err)
	require.NoError(t, j.start(t, l).Wait(), "a survey that is finished goes on to nothing")
	after, err := os.ReadFile(filepath.Join(dir, "r.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after))
}

// TestInterrupt: an interrupt ends a survey at once, with a checkpoint.
func TestInterrupt(t *testing.T) {
	_, l := lab(t, fast())
	dir := t.TempDir()
	j := job{Dir: dir, List: filepath.Join(dir, "list"), Batch: 1000, Rate: 200, Interval: time.Hour}
	writeTargets(t, j.List, 150)
	cmd := j.start(t, l)
	require.Eventually(t, func() bool { return l.Usage().In > 100 }, 20*time.Second, 5*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait(), "interrupted")
	some := readResults(t, filepath.Join(dir, "r.jsonl"))
	c, err := ReadCheckpoint(filepath.Join(dir, "checkpoint"))
	require.NoError(t, err)
	assert.EqualValues(t, len(some), c.Before.Finished, "everything measured so far is kept")
	assert.Less(t, len(some), 300)
	j.Resume, j.Rate = true, 2000
	require.NoError(t, j.start(t, l).Wait())
	assert.Len(t, readResults(t, filepath.Join(dir, "r.jsonl")), 300)
}

// TestEndToEnd: real sockets, kernel and packets; a few thousand hosts of both
// families, on an Internet with everything.
func TestEndToEnd(t *testing.T) {
	c := internet.Default()
	c.DelayMost = 60 * time.Millisecond
	w, l := lab(t, c)
	dir := t.TempDir()
	const n = 1000
	j := job{Dir: dir, List: filepath.Join(dir, "list"), Batch: 1 << 20, Rate: 4000, Interval: time.Second}
	writeTargets(t, j.List, n)
	require.NoError(t, j.start(t, l).Wait())
	got := readResults(t, filepath.Join(dir, "r.jsonl"))
	require.Len(t, got, 2*n)
	right := judge(t, w, got)
	t.Logf("right: %d of %d", right, 2*n)
	assert.GreaterOrEqual(t, right, 2*n*98/100)
}
