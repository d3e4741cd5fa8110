package examples

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
)

// page is docs/embedding.md.
type page string

func readPage(t *testing.T) page {
	t.Helper()
	text, err := os.ReadFile("../embedding.md")
	require.NoError(t, err)
	return page(text)
}

// blocks returns the blocks of a language in a section, in order.
func (p page) blocks(t *testing.T, section, language string) []string {
	t.Helper()
	_, text, ok := strings.Cut(string(p), "\n## "+section+".")
	require.True(t, ok, "no section %s", section)
	text, _, _ = strings.Cut(text, "\n## ")
	var all []string
	for _, m := range regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			all = append(all, m[2])
		}
	}
	require.NotEmpty(t, all, "section %s has no block of %q", section, language)
	return all
}

// clone copies this repository, without its history, to a folder of its own, so
// that a folder beside it can be made.
func clone(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "clone")
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (rel == ".git" || rel == "bin" || rel == "dist"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dir, rel), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), b, 0o644)
	}))
	return dir
}

// pasteTime bounds what a newcomer has to wait for.
const pasteTime = 5 * time.Minute

// paste gives text to a shell, as somebody who pastes it does, and returns what
// is printed on standard output. If it takes too long, what it started ends.
func paste(t *testing.T, dir, text string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pasteTime)
	defer cancel()
	var out, why strings.Builder
	sh := exec.CommandContext(ctx, "bash")
	sh.Dir = dir
	sh.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-trimpath")
	sh.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	sh.Cancel = func() error { return sh.Process.Signal(syscall.SIGTERM) }
	sh.WaitDelay = time.Minute // for a build that is under way
	const tidy = `trap '[ -z "$LAB" ] || bin/pmtu lab down "$LAB"; trap - TERM; kill 0' TERM` + "\n"
	sh.Stdin, sh.Stdout, sh.Stderr = strings.NewReader(tidy+text), &out, &why
	require.NoError(t, sh.Run(), "%s\n%s", &out, &why)
	return out.String()
}

// The page's program is the one that is built here.
func TestEmbeddingPageQuotesTheProgram(t *testing.T) {
	program, err := os.ReadFile("first/main.go")
	require.NoError(t, err)
	assert.Equal(t, string(program), readPage(t).blocks(t, "2", "go")[0])
}

// Each block of the page, pasted by a newcomer in a clone, does what the page
// says, and leaves nothing behind.
func TestEmbeddingPage(t *testing.T) {
	p, dir := readPage(t), clone(t)
	first := filepath.Join(filepath.Dir(dir), "first")
	t.Run("loopback", func(t *testing.T) {
		out := paste(t, dir, strings.Join(append(p.blocks(t, "1", "sh"), p.blocks(t, "2", "sh")...), ""))
		// Loss on a busy machine adds steps, and does not change the end.
		assert.Equal(t, lastLine(p.blocks(t, "2", "")[0]), lastLine(out))
		assert.Empty(t, running(t, first))
	})
	t.Run("lab", func(t *testing.T) {
		labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN for network namespaces")
		_, err := exec.LookPath("ip")
		labtest.Need(t, err == nil, "ip, of iproute2")
		out := paste(t, dir, strings.Join(p.blocks(t, "3", "sh"), "")+`echo "lab $LAB"`+"\n")
		said, name, ok := strings.Cut(out, "lab ")
		require.True(t, ok, "%s", out)
		for _, want := range settled(t, p) {
			_, said, ok = strings.Cut(said, want)
			require.True(t, ok, "not said in time: %s\n%s", want, out)
		}
		assert.Empty(t, running(t, first))
		assert.NoFileExists(t, "/run/netns/pmtulab-"+strings.TrimSpace(name)+"-cli")
	})
}

// settled returns the lines of section 3 in which a size stands that the program
// settles at, or falls to. The sizes in between depend on when the path changes.
func settled(t *testing.T, p page) (lines []string) {
	t.Helper()
	waits := regexp.MustCompile(`(?m)^settles (\d+)$`).FindAllStringSubmatch(strings.Join(p.blocks(t, "3", "sh"), ""), -1)
	require.Len(t, waits, 3, "before, after the fall, after the rise")
	for line := range strings.Lines(p.blocks(t, "3", "")[0]) {
		size := strings.Fields(line)[0]
		if strings.Contains(line, "black-hole") || len(waits) > 0 && size == waits[0][1] {
			lines = append(lines, line)
		}
		if len(waits) > 0 && size == waits[0][1] {
			waits = waits[1:]
		}
	}
	require.Empty(t, waits, "the page waits for what it does not show")
	require.Len(t, lines, 4)
	return lines
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return lines[len(lines)-1]
}

// running returns the processes whose program is in a folder.
func running(t *testing.T, dir string) []string {
	t.Helper()
	exes, err := filepath.Glob("/proc/[0-9]*/exe")
	require.NoError(t, err)
	require.NotEmpty(t, exes)
	var all []string
	for _, exe := range exes {
		if program, err := os.Readlink(exe); err == nil && strings.HasPrefix(program, dir+"/") {
			all = append(all, exe+": "+program)
		}
	}
	return all
}
