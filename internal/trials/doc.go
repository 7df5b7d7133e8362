// Package trials trains the trials of a search: one model on one data set, many times, each with
// other options.
//
// In: a prepared session, a space of options, and how far to go. Out: what every trial measured, a
// log from which the search continues after it was killed, and the options of the best trial. The
// package does not decide what is tried (see package search), and not how a network trains (see
// package run).
//
// Trials are measured on training examples that are held out from them. The user's validation
// examples choose nothing: they only measure the best trial, at the end. All trials share the cache
// of frozen values, so a value at a frontier is computed once for all that need it.
package trials
