// Package optim holds the rules by which thawed weights move: AdamW, SGD and the decay that they
// share, learning rates over a run, clipping, and running means of weights.
//
// In come thawed parameters as Slots, with gradients and masks; out go changed values and the state
// that a checkpoint keeps. It knows nothing of networks, data and plans: a frozen weight has no
// Slot, so it cannot be reached from here.
package optim
