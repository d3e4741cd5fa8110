package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
)

func TestPickTopology(t *testing.T) {
	named, err := pickTopology("staircase", 1, 2, "nonsense is not looked at")
	require.NoError(t, err)
	assert.Equal(t, "staircase", named.Name)
	for ptb, want := range map[string]netlab.PTB{
		"delivered": {},
		"filtered":  {Mode: netlab.PTBFiltered},
		"0":         {Mode: netlab.PTBLying},
		"65535":     {Mode: netlab.PTBLying, MTU: 65535},
	} {
		got, err := pickTopology("path", 9000, 1399, ptb)
		require.NoError(t, err)
		assert.Equal(t, netlab.Path(9000, 1399, want), got)
	}
	for _, c := range []struct {
		name             string
		edge, bottleneck int
		ptb, says        string
	}{
		{"atlantis", 1500, 1500, "delivered", `"atlantis"`},
		{"path", 1279, 1500, "delivered", "--edge 1279"},
		{"path", 1500, 65536, "delivered", "--bottleneck 65536"},
		{"path", 1500, 1500, "-1", `--ptb "-1"`},
		{"path", 1500, 1500, "65536", `--ptb "65536"`},
		{"path", 1500, 1500, "", `--ptb ""`},
	} {
		_, err := pickTopology(c.name, c.edge, c.bottleneck, c.ptb)
		assert.ErrorContains(t, err, c.says)
	}
}

func TestLabList(t *testing.T) {
	for _, args := range [][]string{{"lab", "list"}, {"lab", "list", "--json"}} {
		var out, errOut bytes.Buffer
		require.Zero(t, Main(args, strings.NewReader(""), &out, &errOut), errOut.String())
		for _, topology := range netlab.Catalog() {
			assert.Contains(t, out.String(), topology.Name)
			assert.Contains(t, out.String(), topology.About)
		}
		if len(args) < 3 {
			continue
		}
		for line := range strings.Lines(out.String()) {
			var l labListing
			require.NoError(t, json.Unmarshal([]byte(line), &l), line)
			assert.Contains(t, []string{"topology", "lab"}, l.Kind)
			assert.Equal(t, l.Kind == "topology", l.Picture != "")
		}
	}
}

func TestExitCodesOfLab(t *testing.T) {
	missing := &netlab.PrivilegeError{Need: "CAP_X", Alternative: "do without", Err: fs.ErrPermission}
	for _, c := range []struct {
		err  error
		code int
		says string
	}{
		{withExitCode(missing), exitPrivilege, "needs CAP_X; do without"},
		{withExitCode(errors.New("other")), exitNotMeasured, "other"},
		{&labError{code: exitPrivilege}, exitPrivilege, ""}, // a child has said why
	} {
		var w bytes.Buffer
		assert.Equal(t, c.code, exitCode(&w, newLabCommand().Commands()[0], c.err))
		if c.says == "" {
			assert.Empty(t, w.String())
		} else {
			assert.Contains(t, w.String(), c.says)
		}
	}
	assert.NoError(t, withExitCode(nil))
}
