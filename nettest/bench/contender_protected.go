package main

import "github.com/udtgo/udtgo/udt"

// udtProtected is this library's stream in protected mode, with the certificate of
// the other contenders that use TLS.
var udtProtected = udtContender("udt-protected", "stream, protected mode: TLS 1.3, every packet AES-128-GCM", func(c *udt.Config) {
	s, err := serverTLS()
	if err != nil {
		panic("BUG: " + err.Error()) // a key and a certificate made for ourselves
	}
	s.InsecureSkipVerify = true
	c.Security = &udt.Security{TLS: s}
})
