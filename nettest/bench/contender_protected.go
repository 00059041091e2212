package main

import (
	"sync"

	"github.com/udtgo/udtgo/udt"
)

// udtProtected is this library's stream in protected mode, with the certificate of
// the other contenders that use TLS.
var udtProtected = udtContender("udt-protected", "stream, protected mode: TLS 1.3, every packet AES-128-GCM", func(c *udt.Config) {
	c.Security = benchSecurity()
})

// benchSecurity is made once in a process, not per dial: what a key and a certificate
// cost to make is not the transport's.
var benchSecurity = sync.OnceValue(func() *udt.Security {
	s, err := serverTLS()
	if err != nil {
		panic("BUG: " + err.Error()) // a key and a certificate made for ourselves
	}
	s.InsecureSkipVerify = true
	return &udt.Security{TLS: s}
})
