// Package aggregate combines what the clients of a federated round send into one change of the
// thawed weights. It knows nothing of networks or messages: an update is a vector.
//
// A Strategy has two parts. A Rule makes one change out of those of the clients: their mean, or one
// that a share of lying clients cannot move far. An Optimizer turns that change into a step of the
// server's weights: the change itself, or one with momentum or adaptive rates.
//
// Every file holds one rule or optimizer, and names its source. Sums are in float64. A result
// depends on the order of the updates, so callers give them in the order of the clients' names.
package aggregate
