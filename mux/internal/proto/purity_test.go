package proto

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The state machine does no I/O, reads no clock, starts nothing and waits for
// nothing.
func TestPurity(t *testing.T) {
	allowed := map[string]bool{
		"errors": true, "fmt": true, "io": true, "math": true, "math/bits": true, "strings": true, "sync": true, "time": true,
		"github.com/udtgo/udtgo/mux/internal/frame": true,
	}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		require.NoError(t, err)
		for _, imp := range f.Imports {
			require.True(t, allowed[strings.Trim(imp.Path.Value, `"`)], "%s imports %s", e.Name(), imp.Path.Value)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.SendStmt, *ast.SelectStmt, *ast.ChanType:
				t.Errorf("%s: %T", e.Name(), n)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok {
					switch x.Name + "." + n.Sel.Name {
					case "time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc",
						"time.NewTimer", "sync.Mutex", "sync.Cond", "sync.WaitGroup":
						t.Errorf("%s uses %s.%s", e.Name(), x.Name, n.Sel.Name)
					}
				}
			}
			return true
		})
	}
}
