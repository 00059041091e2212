package documents

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/udtgo/udtgo"

// The table of DESIGN.md#who-may-import-whom is true. With -update it is made so, which
// is a change of the design to look at.
func TestImportsAreThoseOfTheTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "DESIGN.md"))
	require.NoError(t, err)
	allowed, err := importTable(string(text))
	require.NoError(t, err)
	actual, err := moduleImports(repository)
	require.NoError(t, err)
	if *update {
		table := "\n| package | may import |\n|---|---|\n"
		for _, p := range sortedKeys(actual, nil) {
			table += tableRow(p, actual[p]) + "\n"
		}
		replaceBetween(t, "DESIGN.md", "imports", table+"\n")
		return
	}
	for _, p := range sortedKeys(allowed, actual) {
		want, listed := allowed[p]
		got, exists := actual[p]
		switch {
		case !exists:
			t.Errorf("DESIGN.md lists %s, which does not exist", p)
		case !listed:
			t.Errorf("DESIGN.md does not list %s; a row would be %s", p, tableRow(p, got))
		default:
			require.Equal(t, want, got, "imports of %s: the row would be %s", p, tableRow(p, got))
		}
	}
}

func tableRow(p string, imports []string) string {
	quoted := make([]string, len(imports))
	for i, name := range imports {
		quoted[i] = "`" + name + "`"
	}
	return strings.ReplaceAll(fmt.Sprintf("| `%s` | %s |", p, strings.Join(quoted, ", ")), "  ", " ")
}

func sortedKeys(a, b map[string][]string) []string {
	var keys []string
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

var quotedName = regexp.MustCompile("`([^`]+)`")

// importTable reads the table between the markers in text: which packages of the
// module a package may import, by paths below the module's.
func importTable(text string) (map[string][]string, error) {
	_, table, found := strings.Cut(text, "<!-- imports -->")
	table, _, closed := strings.Cut(table, "<!-- /imports -->")
	if !found || !closed {
		return nil, fmt.Errorf("no table of imports")
	}
	rows := make(map[string][]string)
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || !strings.Contains(cells[1], "`") {
			continue // what is around the rows
		}
		name := quotedName.FindStringSubmatch(cells[1])
		if name == nil || rows[name[1]] != nil {
			return nil, fmt.Errorf("malformed or second row: %s", line)
		}
		imports := []string{}
		for _, m := range quotedName.FindAllStringSubmatch(cells[2], -1) {
			imports = append(imports, m[1])
		}
		slices.Sort(imports)
		rows[name[1]] = imports
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("empty table of imports")
	}
	return rows, nil
}

// moduleImports returns which packages of the module each package with non-test
// files imports in these, whatever their build constraints. Modules inside root,
// and tests, are left out.
func moduleImports(root string) (map[string][]string, error) {
	packages := make(map[string][]string)
	err := files(root, ".", ".go", func(file string, src []byte) error {
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil || strings.HasSuffix(file, "_test.go") || nested(root, dir) {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(dir)
		imports := packages[name]
		if imports == nil {
			imports = []string{}
		}
		for _, imp := range parsed.Imports {
			path, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				return err
			}
			if own, ok := strings.CutPrefix(path, module+"/"); ok {
				imports = append(imports, own)
			}
		}
		slices.Sort(imports)
		packages[name] = slices.Compact(imports)
		return nil
	})
	return packages, err
}

// nested reports whether dir, below root, belongs to a module of its own.
func nested(root, dir string) bool {
	for ; dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(root, dir, "go.mod")); err == nil {
			return true
		}
	}
	return false
}

func TestImportTable(t *testing.T) {
	const head = "text\n<!-- imports -->\n| package | may import |\n|---|---|\n"
	rows, err := importTable(head + "| `b` | `d`, `c` |\n| `a` | |\n<!-- /imports -->\n| `x` | |\n")
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"a": {}, "b": {"c", "d"}}, rows)
	for _, bad := range []string{"", head + "| `a` | |\n", head + "<!-- /imports -->", head + "| `a` | |\n| `a` | |\n<!-- /imports -->"} {
		_, err := importTable(bad)
		require.Error(t, err, bad)
	}
}

func TestModuleImports(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"a", "a/b", "tests", "other"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, p), 0o700))
	}
	write(t, filepath.Join(dir, "a"), "x.go", "package a\nimport (\n\"os\"\n_ \""+module+"/a/b\"\n)\n")
	write(t, filepath.Join(dir, "a"), "y_windows.go", "package a\nimport z \""+module+"/c\"\n")
	write(t, filepath.Join(dir, "a"), "x_test.go", "package a\nimport \""+module+"/d\"\n")
	write(t, filepath.Join(dir, "a", "b"), "b.go", "package b\n")
	write(t, filepath.Join(dir, "tests"), "x_test.go", "package tests\n")
	write(t, filepath.Join(dir, "other"), "go.mod", "module other\n")
	write(t, filepath.Join(dir, "other"), "x.go", "package other\n")
	got, err := moduleImports(dir)
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"a": {"a/b", "c"}, "a/b": {}}, got)

	_, err = moduleImports(t.TempDir())
	require.ErrorIs(t, err, fs.ErrNotExist)
}
