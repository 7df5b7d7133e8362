// Package keep gives the examples of a fit as values at the frontier: computed once, kept in memory
// and on the disk, and found again by later epochs, later runs and other plans.
//
// In come a network, data sets and Options; out come Encoders, which yield batches of frontier
// values. What is kept is named by how it is computed and from which example, so that any run may
// use what another one left. It must not know what is done with the values: losses, steps and
// schedules lie above.
package keep
