package nettest

// Patient is for tests in real time that do not get their connections from a pipe
// that is patient by itself.
var Patient = patient

// MainWithLeakCheckFor is MainWithLeakCheck with another limit.
var MainWithLeakCheckFor = mainWithLeakCheck
