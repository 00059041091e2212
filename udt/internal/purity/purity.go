// Package purity checks that a package is pure: that nothing in it performs
// I/O, takes a lock, reads a clock, draws random numbers or starts a goroutine.
// It serves the tests of the packages that promise so.
package purity

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// clock holds the names of package time that read the clock or start a timer.
var clock = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true,
	"After": true, "AfterFunc": true, "Tick": true,
	"NewTimer": true, "NewTicker": true,
}

// Check fails t once for each impurity in the non-test Go files of dir,
// whatever their build constraints, and if dir holds no such file.
func Check(t testing.TB, dir string) {
	t.Helper()
	found, err := Impurities(dir)
	if err != nil {
		t.Error(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// Impurities returns what makes the package in dir impure, one line each,
// beginning with its position. It is an error if dir has no non-test Go file or
// if one does not parse.
func Impurities(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	var found []string
	checked := false
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(files, name, src, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		checked = true
		found = append(found, inFile(files, file)...)
	}
	if !checked {
		return nil, &fs.PathError{Op: "purity", Path: dir, Err: fs.ErrNotExist}
	}
	return found, nil
}

func inFile(files *token.FileSet, file *ast.File) []string {
	var found []string
	report := func(at ast.Node, format string, args ...any) {
		found = append(found, fmt.Sprintf("%v: ", files.Position(at.Pos()))+fmt.Sprintf(format, args...))
	}
	clockName := "" // what the file calls package time
	for _, imp := range file.Imports {
		path, err := strconv.Unquote(imp.Path.Value)
		switch {
		case err != nil:
			report(imp, "imports %s", imp.Path.Value)
		case forbidden(path):
			report(imp, "imports %s", path)
		case path != "time":
		case imp.Name == nil:
			clockName = "time"
		case imp.Name.Name == ".":
			// Its functions could then be used without a trace of the package.
			report(imp, "dot-imports time")
		default:
			clockName = imp.Name.Name
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n, "starts a goroutine")
		case *ast.SelectorExpr:
			// A mention is enough: a function value can be called elsewhere.
			x, ok := n.X.(*ast.Ident)
			if ok && clockName != "" && x.Name == clockName && clock[n.Sel.Name] {
				report(n, "uses time.%s", n.Sel.Name)
			}
		}
		return true
	})
	return found
}

// forbidden reports whether a pure package must not import path: the packages
// named here and all below them.
func forbidden(path string) bool {
	if path == "net/netip" {
		return false
	}
	for _, p := range []string{"net", "os", "sync", "syscall", "math/rand", "crypto/rand"} {
		if path == p || strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}
