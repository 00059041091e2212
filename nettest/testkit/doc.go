// Package testkit has what several packages of this repository need in their tests:
// certificates, a check for goroutines that are left, ports. It is no part of what
// users of the module may count on. It imports none of the module's packages, so that
// the tests of all may use it.
package testkit
