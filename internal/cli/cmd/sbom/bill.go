package main

import (
	"bytes"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
	"github.com/package-url/packageurl-go"
)

// Names of properties; CycloneDX has no fields for these.
const (
	// propertySum is a module's checksum as go.sum has it: SHA-256 over the names
	// and sums of its files. CycloneDX's hashes are those of one file, which this
	// is not.
	propertySum = "pathmtu:go.sum"
	// propertyBuild begins the names of the build's settings.
	propertyBuild = "pathmtu:build:"
)

// settings are those of the build that a bill names.
var settings = []string{"GOOS", "GOARCH", "GOAMD64", "GOARM64", "CGO_ENABLED", "-trimpath", "vcs.revision", "vcs.time", "vcs.modified"}

// bill returns the bill of materials as CycloneDX 1.6.
func (p *program) bill(at time.Time) ([]byte, error) {
	bom := cdx.NewBOM()
	main := p.main()
	bom.Metadata = &cdx.Metadata{
		Timestamp: at.Format(time.RFC3339),
		Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{{
			Type: cdx.ComponentTypeApplication, Name: "pathmtu/internal/cli/cmd/sbom", Version: p.version,
		}}},
		Component: &main,
	}
	std := library("stdlib", p.goVersion()) // as Go's vulnerability database names it
	parts := []cdx.Component{std}
	refs := []string{std.BOMRef}
	for _, m := range p.modules() {
		c := module(m)
		parts, refs = append(parts, c), append(refs, c.BOMRef)
	}
	bom.Components = &parts
	// Which module needs which is not in the program: that all are in it, is.
	bom.Dependencies = &[]cdx.Dependency{{Ref: main.BOMRef, Dependencies: &refs}}
	bom.Compositions = &[]cdx.Composition{{
		Aggregate: cdx.CompositionAggregateComplete, Assemblies: &[]cdx.BOMReference{cdx.BOMReference(main.BOMRef)},
	}}
	text, err := encode(bom)
	if err != nil {
		return nil, err
	}
	// The number is of the content: other content has another.
	bom.SerialNumber = uuid.NewSHA1(uuid.NameSpaceURL, text).URN()
	return encode(bom)
}

func encode(bom *cdx.BOM) ([]byte, error) {
	var b bytes.Buffer
	e := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := e.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// main is the program itself.
func (p *program) main() cdx.Component {
	subpath := strings.TrimPrefix(strings.TrimPrefix(p.info.Path, p.info.Main.Path), "/")
	url := packageURL(p.info.Main.Path, p.version, subpath)
	c := cdx.Component{
		BOMRef: url, Type: cdx.ComponentTypeApplication, Name: p.name(), Version: p.version, PackageURL: url,
		Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: p.sum}},
	}
	var told []cdx.Property
	for _, key := range settings {
		if value := p.setting(key); value != "" {
			told = append(told, cdx.Property{Name: propertyBuild + key, Value: value})
		}
	}
	if len(told) > 0 {
		c.Properties = &told
	}
	return c
}

// module is a module that is linked into the program.
func module(m *debug.Module) cdx.Component {
	c := library(m.Path, m.Version)
	if m.Sum != "" {
		c.Properties = &[]cdx.Property{{Name: propertySum, Value: m.Sum}}
	}
	return c
}

func library(name, version string) cdx.Component {
	url := packageURL(name, version, "")
	return cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: name, Version: version, PackageURL: url}
}

// packageURL names a module for other tools, as in pkg:golang/golang.org/x/net@v0.1.0.
// Capitals stay, against the letter of that type's definition: paths of modules that
// differ in nothing else are different modules, and scanners look them up as they are.
func packageURL(module, version, subpath string) string {
	namespace, name := "", module
	if i := strings.LastIndexByte(module, '/'); i >= 0 {
		namespace, name = module[:i], module[i+1:]
	}
	return packageurl.NewPackageURL(packageurl.TypeGolang, namespace, name, version, nil, subpath).ToString()
}
