package documents

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sources parses the Go files of the module for which keep reports true, and calls f
// with each and its path from the root.
func sources(t *testing.T, keep func(path string) bool, f func(path string, file *ast.File)) {
	t.Helper()
	err := files(repository, ".", ".go", func(name string, src []byte) error {
		path, err := filepath.Rel(repository, name)
		if err != nil || nested(repository, filepath.Dir(path)) || !keep(filepath.ToSlash(path)) {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		if err == nil {
			f(filepath.ToSlash(path), file)
		}
		return err
	})
	require.NoError(t, err)
}

// between returns what a document has before, between and after the markers of a name.
func between(t *testing.T, document, name string) (before, text, after string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repository, document))
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(b), "<!-- "+name+" -->\n")
	require.True(t, found, "no marker %q in %s", name, document)
	text, after, found = strings.Cut(rest, "<!-- /"+name+" -->")
	require.True(t, found, "no end of %q in %s", name, document)
	return before, text, after
}

// replaceBetween writes text between the markers.
func replaceBetween(t *testing.T, document, name, text string) {
	t.Helper()
	before, _, after := between(t, document, name)
	b := before + "<!-- " + name + " -->\n" + text + "<!-- /" + name + " -->" + after
	require.NoError(t, os.WriteFile(filepath.Join(repository, document), []byte(b), 0o644))
}

// rows returns the cells of the table between the markers of a name, without its head.
func rows(t *testing.T, document, name string) (table [][]string) {
	t.Helper()
	_, text, _ := between(t, document, name)
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if i < 2 {
			continue
		}
		var cells []string
		for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.Trim(strings.TrimSpace(cell), "`"))
		}
		table = append(table, cells)
	}
	return table
}

// isLock reports whether a field is a mutex.
func isLock(f *ast.Field) bool {
	s, ok := f.Type.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	p, ok := s.X.(*ast.Ident)
	return ok && p.Name == "sync" && (s.Sel.Name == "Mutex" || s.Sel.Name == "RWMutex")
}

// The table of locks in DESIGN.md has every lock of the library, in the file that it
// is in, and no other.
func TestTableOfLocks(t *testing.T) {
	var want, got []string
	library := func(path string) bool {
		return !strings.HasSuffix(path, "_test.go") && !strings.HasPrefix(path, "nettest/") && !strings.HasPrefix(path, "examples/")
	}
	sources(t, library, func(path string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range s.Fields.List {
					for _, name := range field.Names {
						if isLock(field) {
							want = append(want, spec.Name.Name+"."+name.Name+" "+path)
						}
					}
				}
			}
			return true
		})
	})
	for _, row := range rows(t, "DESIGN.md", "locks") {
		got = append(got, row[0]+" "+row[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	require.NotEmpty(t, want)
	require.Equal(t, want, got)
}
