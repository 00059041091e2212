package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A page is what browsers load: a document and the objects it names. Nobody has to
// store it, because sizes and bytes follow from numbers. Each load has content of its
// own, so that bytes of another stream or another load are seen.
type page struct {
	objects int
}

// size returns the size of an object: 2 to 40 KiB, the same in every load.
func (p page) size(object int) int {
	const least, most = 2 << 10, 40 << 10
	return least + int(scramble(uint64(object))%(most-least+1))
}

// bytes returns the size of the objects together.
func (p page) bytes() int {
	sum := 0
	for i := range p.objects {
		sum += p.size(i)
	}
	return sum
}

// document returns the document of a load.
func (p page) document(load int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!doctype html>\n<title>Load %d</title>\n", load)
	for i := range p.objects {
		fmt.Fprintf(&b, "<img src=\"%s\" alt=\"%d bytes\">\n", objectPath(load, i), p.size(i))
	}
	return b.Bytes()
}

// object returns an object of a load.
func (p page) object(load, object int) []byte {
	b := make([]byte, 0, p.size(object)+7)
	seed := scramble(uint64(load)<<32 | uint64(object))
	for i := uint64(0); len(b) < p.size(object); i++ {
		b = binary.LittleEndian.AppendUint64(b, scramble(seed+i))
	}
	return b[:p.size(object)]
}

func documentPath(load int) string       { return fmt.Sprintf("/%d", load) }
func objectPath(load, object int) string { return fmt.Sprintf("/%d/%d", load, object) }

// handler returns the server of the page.
func (p page) handler() http.Handler {
	// number returns a number in the path, or answers that there is no such page.
	number := func(w http.ResponseWriter, r *http.Request, name string, limit int) (int, bool) {
		n, err := strconv.Atoi(r.PathValue(name))
		if err != nil || n < 0 || n >= limit {
			http.NotFound(w, r)
			return 0, false
		}
		return n, true
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{load}", func(w http.ResponseWriter, r *http.Request) {
		if load, ok := number(w, r, "load", maxLoads); ok {
			w.Header().Set("Content-Type", "text/html")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.document(load)))
		}
	})
	mux.HandleFunc("GET /{load}/{object}", func(w http.ResponseWriter, r *http.Request) {
		load, ok := number(w, r, "load", maxLoads)
		if !ok {
			return
		}
		if object, ok := number(w, r, "object", p.objects); ok {
			w.Header().Set("Content-Type", "application/octet-stream")
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.object(load, object)))
		}
	})
	return mux
}

// scramble is the output function of SplitMix64: neighbours have nothing in common.
func scramble(x uint64) uint64 {
	x = (x + 1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
