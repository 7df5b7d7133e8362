// Package keep provides the examples of a fit as values at the frontier. They are computed once,
// kept in memory and on disk, and reused by later epochs, later runs and other plans.
//
// In: a network, data sets and Options. Out: Encoders, which yield batches of frontier values. Kept
// values are named by how they are computed and from which example, so any run can use what another
// one left. The package must not know what is done with the values: losses, steps and schedules are
// in packages above.
package keep
