package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/package-url/packageurl-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const epoch = "1767225600" // 1 January 2026

var built struct {
	sync.Once
	file string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.file != "" {
		_ = os.RemoveAll(filepath.Dir(built.file))
	}
	os.Exit(code)
}

// pmtu builds the program, once for all tests.
func pmtu(t *testing.T) string {
	built.Do(func() {
		dir, err := os.MkdirTemp("", "sbom")
		require.NoError(t, err)
		built.file = filepath.Join(dir, "pmtu")
		out, err := exec.Command("go", "build", "-trimpath", "-o", built.file, "pathmtu/cmd/pmtu").CombinedOutput()
		require.NoError(t, err, string(out))
	})
	return built.file
}

// billOf writes the bill of a program and reads it back.
func billOf(t *testing.T, file, version string) *cdx.BOM {
	out := filepath.Join(t.TempDir(), "bill.json")
	require.NoError(t, write(out, file, version, epoch))
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	var bom cdx.BOM
	require.NoError(t, cdx.NewBOMDecoder(bytes.NewReader(text), cdx.BOMFileFormatJSON).Decode(&bom))
	return &bom
}

// told returns the lines of "go version -m" that begin with one of these words,
// without it.
func told(t *testing.T, file string, kinds ...string) (lines [][]string) {
	out, err := exec.Command("go", "version", "-m", file).Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		for _, kind := range kinds {
			if len(words) > 1 && words[0] == kind {
				lines = append(lines, words[1:])
			}
		}
	}
	return lines
}

func property(c cdx.Component, name string) string {
	if c.Properties != nil {
		for _, p := range *c.Properties {
			if p.Name == name {
				return p.Value
			}
		}
	}
	return ""
}

func TestBillListsTheModulesOfTheProgram(t *testing.T) {
	file := pmtu(t)
	require.Empty(t, told(t, file, "=>"), "a module is replaced: compare its replacement")
	var got [][]string
	bom := billOf(t, file, "v0.1.0")
	for _, c := range (*bom.Components)[1:] {
		got = append(got, []string{c.Name, c.Version, property(c, propertySum)})
	}
	assert.Equal(t, told(t, file, "dep"), got)
	std := (*bom.Components)[0]
	assert.Equal(t, []string{"stdlib", strings.TrimPrefix(runtime.Version(), "go")}, []string{std.Name, std.Version})
}

// What makes the manual and the bill stays out of the program.
func TestProgramCarriesNoGenerator(t *testing.T) {
	for _, m := range told(t, pmtu(t), "dep") {
		for _, generator := range []string{"github.com/cpuguy83/go-md2man/v2", "github.com/CycloneDX/cyclonedx-go", "github.com/package-url/packageurl-go"} {
			assert.NotEqual(t, generator, m[0])
		}
	}
}

func TestBillNamesTheProgram(t *testing.T) {
	file := pmtu(t)
	bom := billOf(t, file, "v0.1.0")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	sum := sha256.Sum256(text)
	main := bom.Metadata.Component
	assert.Equal(t, []string{"pmtu", "v0.1.0", "pkg:golang/pathmtu@v0.1.0#cmd/pmtu"}, []string{main.Name, main.Version, main.PackageURL})
	assert.Equal(t, []cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}, *main.Hashes)
	assert.Equal(t, "2026-01-01T00:00:00Z", bom.Metadata.Timestamp)
	assert.Equal(t, runtime.GOARCH, property(*main, propertyBuild+"GOARCH"))
	assert.Equal(t, cdx.SpecVersion1_6, bom.SpecVersion)

	own := billOf(t, file, "")
	assert.Equal(t, told(t, file, "mod")[0][1], own.Metadata.Component.Version)
}

func TestReferencesAreUniqueAndThere(t *testing.T) {
	bom := billOf(t, pmtu(t), "v0.1.0")
	refs := map[string]bool{bom.Metadata.Component.BOMRef: true}
	for _, c := range *bom.Components {
		assert.False(t, refs[c.BOMRef], "%s is there twice", c.BOMRef)
		refs[c.BOMRef] = true
		url, err := packageurl.FromString(c.PackageURL)
		require.NoError(t, err)
		assert.Equal(t, []string{"golang", c.Version}, []string{url.Type, url.Version})
		assert.Equal(t, strings.ToLower(c.Name), strings.TrimPrefix(url.Namespace+"/"+url.Name, "/"), "reading lowers capitals")
	}
	require.Len(t, *bom.Dependencies, 1)
	main := (*bom.Dependencies)[0]
	assert.Equal(t, bom.Metadata.Component.BOMRef, main.Ref)
	assert.Len(t, *main.Dependencies, len(*bom.Components))
	for _, ref := range *main.Dependencies {
		assert.True(t, refs[ref], ref)
	}
}

func TestBillIsTheSameAgain(t *testing.T) {
	dir, file := t.TempDir(), pmtu(t)
	bill := func(name, version string) string {
		require.NoError(t, write(dir+"/"+name, file, version, epoch))
		text, err := os.ReadFile(dir + "/" + name)
		require.NoError(t, err)
		return string(text)
	}
	assert.Equal(t, bill("a", "v0.1.0"), bill("b", "v0.1.0"))
	one, other := billOf(t, file, "v0.1.0"), billOf(t, file, "v0.2.0")
	assert.Regexp(t, `^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, one.SerialNumber)
	assert.NotEqual(t, one.SerialNumber, other.SerialNumber)
}

func TestReplacedModulesAreTheReplacements(t *testing.T) {
	p := &program{info: &debug.BuildInfo{Path: "a.example/x/cmd/y", Main: debug.Module{Path: "a.example/x"}, Deps: []*debug.Module{
		{Path: "a.example/old", Version: "v1.0.0", Sum: "h1:old", Replace: &debug.Module{Path: "b.example/New", Version: "v2.0.0+incompatible", Sum: "h1:new"}},
	}}, version: "v1.0.0"}
	text, err := p.bill(time.Unix(0, 0).UTC())
	require.NoError(t, err)
	assert.NotContains(t, string(text), "old")
	assert.Contains(t, string(text), "pkg:golang/b.example/New@v2.0.0%2Bincompatible")
	assert.Contains(t, string(text), "h1:new")
}

func TestWhatIsNoProgramIsRefused(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte("no program"), 0o600))
	out := filepath.Join(t.TempDir(), "bill.json")
	assert.Error(t, write(out, text, "", epoch))
	assert.Error(t, write(out, text+"-missing", "", epoch))
	assert.ErrorContains(t, write(out, text, "", ""), "SOURCE_DATE_EPOCH")
	assert.NoFileExists(t, out)
}
