package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"time"
)

// fetch is the real client: it fetches all files at the same time, each on a stream
// of its own. One that fails leaves the others alone.
func fetch(ctx context.Context, o *options) error {
	start := time.Now()
	session, err := carriers[o.over].dial(ctx, o.get)
	if err != nil {
		return err
	}
	defer session.Close()
	client := &http.Client{Transport: transport(session)}
	results := make(chan error, len(o.files))
	for _, name := range o.files {
		go func() { results <- fetchFile(ctx, client, name, o.dir, start) }()
	}
	for range o.files {
		err = errors.Join(err, <-results)
	}
	return err
}

// fetchFile fetches a file into a directory.
func fetchFile(ctx context.Context, client *http.Client, name, dir string, start time.Time) error {
	// The host means nothing: the session leads to one server only.
	u := url.URL{Scheme: "http", Host: "server", Path: path.Join("/", name)}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", name, response.Status)
	}
	n, err := save(filepath.Join(dir, path.Base(u.Path)), response.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Printf("%s: %d bytes, %d ms after the start\n", name, n, time.Since(start).Milliseconds())
	return nil
}

// save writes a file, which gets its name when it is complete.
func save(name string, r io.Reader) (int64, error) {
	part, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*.part")
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(part, r)
	err = errors.Join(err, part.Chmod(0o644), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), name)
	}
	if err != nil {
		os.Remove(part.Name())
	}
	return n, err
}
