package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
)

// A file travels as the length of its name (2 bytes, big endian), the name, its size
// (8 bytes), and its bytes. The answer is the SHA-256 of these, or the end of the
// connection.

// sendFile returns when the receiver has the file.
func sendFile(c net.Conn, f *os.File) (size int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errors.New("not a regular file")
	}
	name := filepath.Base(f.Name())
	header := binary.BigEndian.AppendUint16(nil, uint16(len(name)))
	header = append(header, name...)
	header = binary.BigEndian.AppendUint64(header, uint64(info.Size()))
	if _, err := c.Write(header); err != nil {
		return 0, err
	}
	sum := sha256.New()
	size, err = io.CopyN(c, io.TeeReader(f, sum), info.Size())
	if err != nil {
		return size, err
	}
	var answer [sha256.Size]byte
	if _, err := io.ReadFull(c, answer[:]); err != nil {
		return size, fmt.Errorf("the receiver does not confirm: %w", err)
	}
	if [sha256.Size]byte(sum.Sum(nil)) != answer {
		return size, errors.New("the receiver has other bytes")
	}
	return size, nil
}

// receiveFile writes a file into root. A file that is not complete is removed.
func receiveFile(c net.Conn, root *os.Root) (name string, size int64, err error) {
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return "", 0, err
	}
	header := make([]byte, int(binary.BigEndian.Uint16(length[:]))+8)
	if _, err := io.ReadFull(c, header); err != nil {
		return "", 0, err
	}
	end := len(header) - 8
	name = string(header[:end])
	if name == "" || name != filepath.Base(name) {
		return name, 0, errors.New("not the name of a file")
	}
	announced := binary.BigEndian.Uint64(header[end:])
	if announced > 1<<62 {
		return name, 0, errors.New("not the size of a file")
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return name, 0, err
	}
	sum := sha256.New()
	size, err = io.CopyN(io.MultiWriter(f, sum), c, int64(announced))
	if err = errors.Join(err, f.Close()); err != nil {
		return name, size, errors.Join(err, root.Remove(name))
	}
	_, err = c.Write(sum.Sum(nil))
	return name, size, err
}
