package mux_test

import (
	"go/build"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Package mux uses the standard library and this module alone: only those that import
// mux/yamux get hashicorp/yamux.
func TestImports(t *testing.T) {
	pkg, err := build.ImportDir(".", 0)
	require.NoError(t, err)
	require.NotEmpty(t, pkg.Imports)
	for _, path := range pkg.Imports {
		first, _, _ := strings.Cut(path, "/")
		if strings.Contains(first, ".") {
			require.True(t, strings.HasPrefix(path, "github.com/udtgo/udtgo/"), path)
			require.NotEqual(t, "github.com/udtgo/udtgo/mux/yamux", path)
		}
	}
}
