package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/internet"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/probe/survey/surveyor"
)

// terminal is a pseudo-terminal: what is written to its end for programs, and what
// a person would see.
type terminal struct {
	program *os.File
	seen    *labtest.Output
	done    chan struct{} // closed when no program has it open any more
}

func openTerminal(t *testing.T) *terminal {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	var program uintptr
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		var errno unix.Errno
		if program, _, errno = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC); errno != 0 {
			err = errno
		}
	}
	labtest.Need(t, err == nil, "a pseudo-terminal")
	person := os.NewFile(uintptr(fd), "terminal")
	term := &terminal{os.NewFile(program, "program's end"), &labtest.Output{}, make(chan struct{})}
	go func() {
		defer close(term.done)
		_, _ = io.Copy(term.seen, person) // ends with EIO
	}()
	t.Cleanup(func() {
		_ = term.program.Close()
		<-term.done
		_ = person.Close()
	})
	return term
}

// surveyLab is a simulated Internet in which every host answers, with a list of
// some of them.
func surveyLab(t *testing.T, dir string, n int) *internet.Lab {
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	c := internet.Default()
	c.Exists, c.Loss, c.EchoLimited, c.DelayMost = 1, 0, 0, 20*time.Millisecond
	w, err := internet.New(c)
	require.NoError(t, err)
	lab, err := internet.Build(t.Context(), w)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })
	hosts, err := internet.Targets(c.Seed, 4, n)
	require.NoError(t, err)
	var list bytes.Buffer
	for a := range hosts {
		fmt.Fprintln(&list, a)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "list"), list.Bytes(), 0o600))
	return lab
}

// client speaks HTTP from within a namespace.
func client(lab *internet.Lab) *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (c net.Conn, err error) {
			err = lab.Do(func() error {
				c, err = new(net.Dialer).DialContext(ctx, network, address)
				return err
			})
			return c, err
		},
	}}
}

var sample = regexp.MustCompile(`(?m)^(pmtu_survey_\w+) (\S+)$`)

// scrape returns the values that are served; nil: nobody serves any.
func scrape(t *testing.T, c *http.Client, url string) map[string]float64 {
	r, err := c.Get(url)
	if err != nil {
		return nil
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return nil // it ended just now
	}
	require.Equal(t, http.StatusOK, r.StatusCode)
	assert.Contains(t, r.Header.Get("Content-Type"), "text/plain")
	values := map[string]float64{}
	for _, m := range sample.FindAllStringSubmatch(string(b), -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		require.NoError(t, err)
		values[m[1]] = v
		kind := "gauge"
		if strings.HasSuffix(m[1], "_total") {
			kind = "counter"
		}
		assert.Contains(t, string(b), "# TYPE "+m[1]+" "+kind+"\n")
	}
	return values
}

// TestSurveyDisplay: while a survey runs, a terminal shows how far it is, and
// --metrics serves the same to Prometheus. In the end the bar makes room for one
// line.
func TestSurveyDisplay(t *testing.T) {
	const n, url = 300, "http://127.0.0.1:9100"
	dir := t.TempDir()
	lab := surveyLab(t, dir, n)
	term := openTerminal(t)
	cmd := exec.Command(buildProgram(t), "survey", "--lab", "--net-rate", "0", "--rate", "200", "--input", "list", "--output", "r.jsonl", "--metrics", url[len("http://"):])
	cmd.Dir, cmd.Stderr = dir, term.program
	require.NoError(t, lab.Start(cmd))
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	c := client(lab)
	var all []map[string]float64
	var err error
	for running := true; running; {
		select {
		case err = <-ended:
			running = false
		case <-time.After(100 * time.Millisecond):
			if v := scrape(t, c, url+"/metrics"); v != nil {
				all = append(all, v)
			}
		}
	}
	require.NoError(t, term.program.Close())
	<-term.done
	seen := term.seen.String()
	require.NoError(t, err, seen)

	require.Greater(t, len(all), 5)
	last := all[len(all)-1]
	assert.Len(t, last, 14)
	for i, v := range all {
		for name, value := range v {
			if strings.HasSuffix(name, "_total") && i > 0 {
				assert.GreaterOrEqual(t, value, all[i-1][name], name)
			}
		}
	}
	meta, err := surveyor.ReadMeta(filepath.Join(dir, "r.jsonl.meta.json"))
	require.NoError(t, err)
	for name, most := range map[string]uint64{
		"begun_total": n, "finished_total": n, "measured_total": n,
		"packets_sent_total": meta.Status.Packets, "bytes_sent_total": meta.Status.Bytes, "answers_total": meta.Status.Answers,
	} {
		v := last["pmtu_survey_"+name]
		assert.Greater(t, v, float64(most)/4, name)
		assert.LessOrEqual(t, v, float64(most), name)
	}
	assert.EqualValues(t, n, last["pmtu_survey_targets"])
	assert.Zero(t, last["pmtu_survey_rejected_total"])
	assert.Nil(t, scrape(t, c, url+"/metrics"), "it ends with the survey")

	assert.Regexp(t, `\d+ active, \d+ packets/s, \d+\.\d Mbit/s +\d+% .*\(\d+/300`, seen)
	end := fmt.Sprintf("%d targets: %d measured, 0 unresponsive, 0 other; 0 skipped; %d packets, %d bytes sent in ", n, n, meta.Status.Packets, meta.Status.Bytes)
	lines := strings.Split(strings.TrimSpace(seen), "\n")
	shown := lines[len(lines)-1]
	assert.True(t, strings.HasPrefix(shown[strings.LastIndex(strings.TrimRight(shown, "\r"), "\r")+1:], end), "%q", shown)
}

// TestSurveyWithoutDisplay: what isn't a terminal gets no bar, and an address that
// can't be served is wrong use, before a packet is sent.
func TestSurveyWithoutDisplay(t *testing.T) {
	dir := t.TempDir()
	lab := surveyLab(t, dir, 5)
	pmtu := buildProgram(t)
	run := func(args ...string) (string, int) {
		cmd := exec.Command(pmtu, append([]string{"survey", "--lab", "--net-rate", "0", "--input", "list"}, args...)...)
		var errOut bytes.Buffer
		cmd.Dir, cmd.Stderr = dir, &errOut
		require.NoError(t, lab.Start(cmd))
		_ = cmd.Wait()
		return errOut.String(), cmd.ProcessState.ExitCode()
	}
	out, code := run("--output", "quiet.jsonl")
	require.Equal(t, exitOK, code, out)
	assert.Regexp(t, `^5 targets: 5 measured, [^\r\n]*\n$`, out)
	before := lab.Usage().In
	out, code = run("--output", "bad.jsonl", "--metrics", "198.51.100.7:1")
	assert.Equal(t, exitUsage, code, out)
	assert.Contains(t, out, `--metrics "198.51.100.7:1"`)
	assert.Equal(t, before, lab.Usage().In)
}
