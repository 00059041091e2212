package purity

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, dir, name, src string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(src), 0o600))
}

func TestImpuritiesAreFound(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"the network", `import "net"`, "imports net"},
		{"a package below", `import "os/exec"`, "imports os/exec"},
		{"locks", `import "sync"`, "imports sync"},
		{"atomics", `import "sync/atomic"`, "imports sync/atomic"},
		{"randomness", `import "math/rand"`, "imports math/rand"},
		{"its second version", `import "math/rand/v2"`, "imports math/rand/v2"},
		{"a renamed import", `import n "net"`, "imports net"},
		{"a blank import", `import _ "os"`, "imports os"},
		{"the clock", "import \"time\"\nvar t = time.Now()", "uses time.Now"},
		{"the clock as a value", "import \"time\"\nvar now = time.Now", "uses time.Now"},
		{"the clock renamed", "import clock \"time\"\nvar t = clock.Since(clock.Time{})", "uses time.Since"},
		{"the clock without a name", "import . \"time\"\nvar t = Now()", "dot-imports time"},
		{"a timer", "import \"time\"\nvar t = time.NewTimer(1)", "uses time.NewTimer"},
		{"a later call", "import \"time\"\nvar t = time.AfterFunc(1, nil)", "uses time.AfterFunc"},
		{"a channel of time", "import \"time\"\nvar t = time.After(1)", "uses time.After"},
		{"sleep", "import \"time\"\nfunc f() { time.Sleep(1) }", "uses time.Sleep"},
		{"a goroutine", "func f() { go f() }", "starts a goroutine"},
		{"a goroutine in a closure", "var f = func() { go func() {}() }", "starts a goroutine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "a.go", "package a\n"+c.src+"\n")
			found, err := Impurities(dir)
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.True(t, strings.HasPrefix(found[0], filepath.Join(dir, "a.go")+":"), found[0])
			require.True(t, strings.HasSuffix(found[0], ": "+c.want), found[0])
		})
	}
}

func TestPurePackagePasses(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.go", `package a
import (
	"net/netip"
	"time"
)
type net struct{}
func (net) Now() time.Duration { return 3 * time.Second }
func f(at time.Time, a netip.Addr) time.Duration { return at.Sub(time.Unix(0, 0)) + net{}.Now() }
`)
	write(t, dir, "a_test.go", "package a\nimport \"os\"\nvar _ = os.Args\n")
	found, err := Impurities(dir)
	require.NoError(t, err)
	require.Empty(t, found)
}

// A check of nothing must not pass for a check that found nothing.
func TestDirectoryWithoutSourceFails(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a_test.go", "package a\n")
	_, err := Impurities(dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestUnparsableSourceFails(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.go", "package a\nfunc {\n")
	_, err := Impurities(dir)
	require.Error(t, err)
}

// A recorder notes what a check reports instead of failing.
type recorder struct {
	testing.TB
	errors int
}

func (r *recorder) Helper()      {}
func (r *recorder) Error(...any) { r.errors++ }

func TestCheckFailsOncePerImpurity(t *testing.T) {
	dir := t.TempDir()
	r := recorder{TB: t}
	Check(&r, dir)
	require.Equal(t, 1, r.errors, "nothing to check")

	write(t, dir, "a.go", "package a\nfunc f() {}\n")
	r.errors = 0
	Check(&r, dir)
	require.Zero(t, r.errors)

	write(t, dir, "b.go", "package a\nimport \"os\"\nvar _ = os.Args\nfunc g() { go f() }\n")
	Check(&r, dir)
	require.Equal(t, 2, r.errors)
}
