//go:build !udtnooffload

package udt_test

// reportsRefusals tells whether an unconnected socket hears of refusals.
const reportsRefusals = true
