package documents

import (
	"flag"
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the tables of flags in CONTRIBUTING.md and of imports in DESIGN.md anew")

// The table of flags in CONTRIBUTING.md has every flag of the tests with its package
// and what its own text says, and no other.
func TestTableOfFlags(t *testing.T) {
	var want []string
	test := func(path string) bool { return strings.HasSuffix(path, "_test.go") }
	sources(t, test, func(name string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 3 {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if p, ok := f.X.(*ast.Ident); !ok || p.Name != "flag" {
				return true
			}
			want = append(want, strings.Join([]string{"`-" + text(t, call.Args[0]) + "`", "`" + path.Dir(name) + "`", text(t, call.Args[2])}, " | "))
			return true
		})
	})
	require.NotEmpty(t, want)
	slices.Sort(want)
	table := "| flag | package | it does |\n|---|---|---|\n| " + strings.Join(want, " |\n| ") + " |\n"
	if *update {
		replaceBetween(t, "CONTRIBUTING.md", "flags", table)
		return
	}
	_, got, _ := between(t, "CONTRIBUTING.md", "flags")
	require.Equal(t, table, got, "-update writes it anew")
}

func text(t *testing.T, e ast.Expr) string {
	literal, ok := e.(*ast.BasicLit)
	require.True(t, ok)
	s, err := strconv.Unquote(literal.Value)
	require.NoError(t, err)
	return s
}
