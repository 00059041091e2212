// Package pipes makes connections of every kind for the tests of this repository: UDT
// over loopback, over a bad network and over a simulated one, and what runs on it. It is
// no part of what users of the module may count on.
package pipes
