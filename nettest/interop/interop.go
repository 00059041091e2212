// Package interop runs the reference C++ library, libudt 4.11, as the peer of
// a test. Its driver, driver/driver.cpp, is one side of a UDT conversation through
// the library's public API; this package builds it, starts it and reads its
// events. It needs g++ and the library with its header (libudt-dev).
package interop

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

//go:embed driver/driver.cpp
var driverSource []byte

// A Driver is the built driver program. It is safe for concurrent use.
type Driver struct {
	path string
}

var build struct {
	sync.Mutex
	done   bool
	dir    string
	driver *Driver
	err    error
}

// Build returns the driver, which it builds on its first call. If it cannot
// be built, for want of a compiler or of the library, tb is skipped, or fails
// if required is true.
func Build(tb testing.TB, required bool) *Driver {
	tb.Helper()
	build.Lock()
	if !build.done {
		build.done = true
		build.driver, build.err = compile()
	}
	d, err := build.driver, build.err
	build.Unlock()
	if err != nil {
		if required {
			tb.Fatalf("interop: %v", err)
		}
		tb.Skipf("interop: %v", err)
	}
	return d
}

func compile() (*Driver, error) {
	dir, err := os.MkdirTemp("", "udt-interop-")
	if err != nil {
		return nil, err
	}
	build.dir = dir
	source := filepath.Join(dir, "driver.cpp")
	if err := os.WriteFile(source, driverSource, 0o600); err != nil {
		return nil, err
	}
	d := &Driver{path: filepath.Join(dir, "driver")}
	out, err := exec.Command("g++", "-O2", "-o", d.path, source, "-ludt", "-lpthread").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("building the driver: %w\n%s", err, out)
	}
	return d, nil
}

// Cleanup removes what Build made, which the next Build makes again. It is
// called when no driver runs any more, by a TestMain after its tests.
func Cleanup() error {
	build.Lock()
	defer build.Unlock()
	dir := build.dir
	build.done, build.dir, build.driver, build.err = false, "", nil, nil
	if dir == "" {
		return nil
	}
	return os.RemoveAll(dir)
}
