package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// childArgs returns the argv of the child that does j.
func childArgs(j *Job) ([]string, error) {
	c, err := contender(j.Contender)
	if err != nil {
		return nil, err
	}
	if c.Program != nil {
		path, err := c.Program()
		if err != nil {
			return nil, err
		}
		return append([]string{path}, j.args()...), nil
	}
	path, err := os.Executable()
	if c.Tags != "" {
		path, err = built.withTags(c.Tags)
	}
	if err != nil {
		return nil, err
	}
	return []string{path, "child"}, nil
}

// built are the programs that this process has built, in a directory that
// cleanup removes.
var built builds

type builds struct {
	mu       sync.Mutex
	dir      string
	programs map[string]func() (string, error)
}

// program returns the path of a program that build makes when it is asked for
// the first time.
func (b *builds) program(name string, build func(path string) error) (string, error) {
	program, err := b.once(name, build)
	if err != nil {
		return "", err
	}
	return program()
}

// once returns the function that builds a program at its first call. It is
// called without the lock: programs may be built at the same time.
func (b *builds) once(name string, build func(path string) error) (func() (string, error), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.programs == nil {
		dir, err := os.MkdirTemp("", "udt-bench-")
		if err != nil {
			return nil, err
		}
		b.dir, b.programs = dir, map[string]func() (string, error){}
	}
	if b.programs[name] == nil {
		path := filepath.Join(b.dir, name)
		b.programs[name] = sync.OnceValues(func() (string, error) { return path, build(path) })
	}
	return b.programs[name], nil
}

// withTags returns this program built with tags.
func (b *builds) withTags(tags string) (string, error) {
	return b.program("bench-"+tags, func(path string) error {
		source, err := sourceDir()
		if err != nil {
			return err
		}
		cmd := exec.Command("go", "build", "-tags", tags, "-o", path, ".")
		cmd.Dir = source
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building with -tags %s: %w\n%s", tags, err, out)
		}
		return nil
	})
}

// cleanup removes what was built.
func (b *builds) cleanup() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
	b.dir, b.programs = "", nil
}

// sourceDir returns where this package's source is: the programs it needs are
// built from there.
func sourceDir() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		return "", errors.New("the source of the benchmark is not known: built with -trimpath")
	}
	dir := filepath.Dir(file)
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return "", fmt.Errorf("the source of the benchmark is not there: %w", err)
	}
	return dir, nil
}
