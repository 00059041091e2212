package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A browser loads the page over one session.
type browser struct {
	client *http.Client
	scheme string
	page   page
}

// A loaded is how long a load of the page took.
type loaded struct {
	objects []time.Duration // of each, from when all were requested to its last byte
	total   time.Duration   // from the request for the document to the last byte of all
}

// load loads the document, then all its objects at once. Every byte has to be right.
func (b *browser) load(ctx context.Context, number int) (*loaded, error) {
	start := time.Now()
	if err := b.get(ctx, documentPath(number), b.page.document(number)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	want := make([][]byte, b.page.objects)
	for i := range want {
		want[i] = b.page.object(number, i)
	}
	l := &loaded{objects: make([]time.Duration, len(want))}
	results := make(chan error, len(want))
	requested := time.Now()
	for i := range want {
		go func() {
			err := b.get(ctx, objectPath(number, i), want[i])
			l.objects[i] = time.Since(requested)
			results <- err
		}()
	}
	var err error
	for range want {
		if e := <-results; e != nil && err == nil {
			err = e
			cancel() // the others; their errors say no more
		}
	}
	l.total = time.Since(start)
	return l, err
}

var errWrongBytes = errors.New("the bytes received are not those that were sent")

// get fetches one resource and compares it.
func (b *browser) get(ctx context.Context, path string, want []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.scheme+"://demonstration"+path, nil)
	if err != nil {
		return err
	}
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	if (b.scheme == "https") != (response.ProtoMajor == 2) {
		return fmt.Errorf("%s came by %s", path, response.Proto)
	}
	got := bytes.NewBuffer(make([]byte, 0, len(want)+bytes.MinRead))
	if _, err := io.Copy(got, response.Body); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		return fmt.Errorf("%s: %w", path, errWrongBytes)
	}
	return nil
}
