// Package require stops a test where something does not hold. The checks of package
// nettest are no test files, so what they need comes with every program that imports
// them: this has just the few functions that they use of testify.
package require

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// check stops the test, saying what is wrong, unless ok.
func check(t testing.TB, ok bool, args []any, format string, v ...any) {
	t.Helper()
	if ok {
		return
	}
	what := fmt.Sprintf(format, v...)
	if len(args) > 0 {
		said := fmt.Sprint(args[0])
		if len(args) > 1 {
			said = fmt.Sprintf(said, args[1:]...)
		}
		what = said + ": " + what
	}
	t.Fatal(what)
}

// NoError requires that err is nil.
func NoError(t testing.TB, err error, args ...any) {
	t.Helper()
	check(t, err == nil, args, "unexpected error: %v", err)
}

// Error requires that err is not nil.
func Error(t testing.TB, err error, args ...any) {
	t.Helper()
	check(t, err != nil, args, "no error")
}

// EqualError requires that err says text.
func EqualError(t testing.TB, err error, text string, args ...any) {
	t.Helper()
	check(t, err != nil && err.Error() == text, args, "error %v, want %s", err, text)
}

// ErrorIs requires errors.Is.
func ErrorIs(t testing.TB, err, target error, args ...any) {
	t.Helper()
	check(t, errors.Is(err, target), args, "error %v (%T), want %v", err, err, target)
}

// NotErrorIs requires that errors.Is does not hold.
func NotErrorIs(t testing.TB, err, target error, args ...any) {
	t.Helper()
	check(t, !errors.Is(err, target), args, "error %v, must not be %v", err, target)
}

// ErrorAs requires errors.As.
func ErrorAs(t testing.TB, err error, target any, args ...any) {
	t.Helper()
	check(t, errors.As(err, target), args, "error %v (%T), want a %T", err, err, reflect.TypeOf(target).Elem())
}

// True requires that ok is set.
func True(t testing.TB, ok bool, args ...any) {
	t.Helper()
	check(t, ok, args, "false, want true")
}

// Truef is True with a format.
func Truef(t testing.TB, ok bool, format string, args ...any) {
	t.Helper()
	check(t, ok, nil, format, args...)
}

// False requires that set is not set.
func False(t testing.TB, set bool, args ...any) {
	t.Helper()
	check(t, !set, args, "true, want false")
}

// Falsef is False with a format.
func Falsef(t testing.TB, set bool, format string, args ...any) {
	t.Helper()
	check(t, !set, nil, format, args...)
}

// Equal requires that got is as want.
func Equal(t testing.TB, want, got any, args ...any) {
	t.Helper()
	check(t, reflect.DeepEqual(want, got), args, "%v, want %v", got, want)
}

// NotEqual requires that the two differ.
func NotEqual(t testing.TB, a, b any, args ...any) {
	t.Helper()
	check(t, !reflect.DeepEqual(a, b), args, "both are %v", a)
}

// Zero requires that v is the zero value of its type.
func Zero(t testing.TB, v any, args ...any) {
	t.Helper()
	check(t, isZero(v), args, "%v, want zero", v)
}

// NotZero requires that v is not the zero value of its type.
func NotZero(t testing.TB, v any, args ...any) {
	t.Helper()
	check(t, !isZero(v), args, "zero")
}

func isZero(v any) bool { return v == nil || reflect.ValueOf(v).IsZero() }

// Nil requires that v is nil, or an interface with a nil pointer.
func Nil(t testing.TB, v any, args ...any) {
	t.Helper()
	check(t, isNil(v), args, "%v, want nil", v)
}

// NotNil requires that v is neither nil nor an interface with a nil pointer.
func NotNil(t testing.TB, v any, args ...any) {
	t.Helper()
	check(t, !isNil(v), args, "nil")
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Func, reflect.Chan, reflect.Interface:
		return r.IsNil()
	}
	return false
}

// Len requires that v has n elements.
func Len(t testing.TB, v any, n int, args ...any) {
	t.Helper()
	got := reflect.ValueOf(v).Len()
	check(t, got == n, args, "%d elements, want %d", got, n)
}

// Empty requires that v has no elements.
func Empty(t testing.TB, v any, args ...any) {
	t.Helper()
	check(t, isZero(v) || reflect.ValueOf(v).Len() == 0, args, "%v, want nothing", v)
}

// Contains requires that s contains part.
func Contains(t testing.TB, s, part string, args ...any) {
	t.Helper()
	check(t, strings.Contains(s, part), args, "%q does not contain %q", s, part)
}

// Positive requires that n is greater than zero.
func Positive[T int | int64 | float64](t testing.TB, n T, args ...any) {
	t.Helper()
	check(t, n > 0, args, "%v, want more than zero", n)
}

// LessOrEqual requires that a is at most b.
func LessOrEqual[T ~int | ~int64 | ~float64](t testing.TB, a, b T, args ...any) {
	t.Helper()
	check(t, a <= b, args, "%v, want at most %v", a, b)
}
