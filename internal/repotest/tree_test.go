package repotest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "pathmtu"

// goFile is one parsed Go file of the repository.
type goFile struct {
	path    string // slash-separated, from the root
	dir     string
	test    bool
	ast     *ast.File
	imports []string
}

// root returns the repository's root folder.
func root(t *testing.T) string {
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, parent, dir, "no go.mod above the test")
		dir = parent
	}
}

// goFiles parses every Go file, tests included.
func goFiles(t *testing.T) []goFile {
	top := root(t)
	var files []goFile
	walk(t, top, func(path, rel string) {
		if !strings.HasSuffix(path, ".go") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		file := goFile{path: rel, dir: filepath.ToSlash(filepath.Dir(rel)), test: strings.HasSuffix(rel, "_test.go"), ast: f}
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			require.NoError(t, err)
			file.imports = append(file.imports, name)
		}
		files = append(files, file)
	})
	require.NotEmpty(t, files)
	return files
}

// walk visits every regular file outside of folders whose name starts with a
// dot or an underscore, .ci excepted.
func walk(t *testing.T, top string, visit func(path, rel string)) {
	require.NoError(t, filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != top && (strings.HasPrefix(name, ".") && name != ".ci" || strings.HasPrefix(name, "_") || name == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() {
			rel, err := filepath.Rel(top, path)
			if err != nil {
				return err
			}
			visit(path, filepath.ToSlash(rel))
		}
		return nil
	}))
}
