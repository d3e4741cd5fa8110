package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/probe/survey"
	"pathmtu/probe/survey/fleet"
	"pathmtu/probe/survey/fleet/natsfleet"
)

// Status and cancel see a survey on a server elsewhere, with the token only.
func TestSurveyStatusAndCancel(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600))
	s, err := natsfleet.StartServer(natsfleet.ServerConfig{Store: t.TempDir(), Listen: "127.0.0.1:0", TokenFile: token})
	require.NoError(t, err)
	t.Cleanup(s.Shutdown)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	b, err := s.Connect(ctx, natsfleet.Config{TokenFile: token})
	require.NoError(t, err)
	t.Cleanup(b.Disconnect)
	var l survey.List
	require.NoError(t, l.Add("10.0.0.0/24"))
	set, _, err := survey.Selection{Lab: true}.Select(&l)
	require.NoError(t, err)
	list, err := fleet.EncodeList(set)
	require.NoError(t, err)
	require.True(t, set.At(0) == netip.MustParseAddr("10.0.0.0"))
	_, err = fleet.Submit(ctx, b, &fleet.Plan{
		ID: "mine", List: fleet.BlobName(list), Targets: 256, Shard: 100, Places: []string{"ams", "nrt"},
		Lease: fleet.Duration(time.Minute), Workers: 2, Methods: []string{"icmp"},
	}, [][]byte{list})
	require.NoError(t, err)

	run := func(args ...string) (int, string, string) {
		var out, errOut bytes.Buffer
		code := Main(append([]string{"survey"}, args...), nil, &out, &errOut)
		return code, out.String(), errOut.String()
	}
	at := []string{"--server", s.URL(), "--token-file", token}
	code, out, errOut := run(append([]string{"status", "--json"}, at...)...)
	require.Equal(t, exitOK, code, errOut)
	var got fleetStatus
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Len(t, got.Surveys, 1)
	assert.Equal(t, fleet.Running, got.Surveys[0].State.Phase)
	assert.EqualValues(t, 3, got.Surveys[0].Queues["nrt"].Waiting)

	code, _, errOut = run(append([]string{"cancel", "mine"}, at...)...)
	require.Equal(t, exitOK, code, errOut)
	code, out, errOut = run(append([]string{"status", "mine"}, at...)...)
	require.Equal(t, exitOK, code, errOut)
	assert.Regexp(t, `mine +cancelled +ams +0 +256 +3 +0 +0`, out)

	code, _, errOut = run(append([]string{"cancel", "other"}, at...)...)
	assert.Equal(t, exitUsage, code, errOut)
	wrong := filepath.Join(t.TempDir(), "wrong")
	require.NoError(t, os.WriteFile(wrong, []byte("fedcba9876543210\n"), 0o600))
	for _, verb := range [][]string{{"status"}, {"cancel", "mine"}, {"serve", "--no-attribution", "-o", filepath.Join(t.TempDir(), "o"), "198.51.100.1", "8.8.8.8"}} {
		code, _, errOut = run(append(verb, "--server", s.URL(), "--token-file", wrong)...)
		assert.Equal(t, exitUsage, code, errOut)
		assert.Contains(t, errOut, s.URL()+": the server refuses the token of "+wrong)
	}
	code, _, errOut = run("status")
	assert.Equal(t, exitUsage, code, errOut)
	assert.Contains(t, errOut, "--server")
}

// Wrong use of serve and work is refused before anything is started.
func TestSurveyServeRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"--store":                 {"serve"},
		"--output":                {"serve", "198.51.100.1"},
		"no target may be probed": {"serve", "-o", filepath.Join(t.TempDir(), "o"), "--no-attribution", "10.0.0.1"},
		"--attribution":           {"serve", "-o", "o", "8.8.8.8"},
		"vantages":                {"serve", "-o", filepath.Join(t.TempDir(), "o"), "--no-attribution", "--vantages", "a,a", "8.8.8.8"},
		"need TLS":                {"serve", "--store", t.TempDir(), "--listen", "0.0.0.0:0"},
		"--bandwidth":             {"work", "--bandwidth", "x"},
		"--rate":                  {"work", "--rate", "-1"},
	} {
		var out, errOut bytes.Buffer
		code := Main(append([]string{"survey"}, args...), nil, &out, &errOut)
		assert.Equal(t, exitUsage, code, "%v: %s", args, errOut.String())
		assert.Contains(t, errOut.String(), want)
	}
}
