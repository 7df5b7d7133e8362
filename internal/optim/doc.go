// Package optim holds the rules that update thawed weights: AdamW, SGD, weight decay, learning-rate
// schedules, gradient clipping, and running means of weights.
//
// In: thawed parameters as Slots, with gradients and masks. Out: changed values, and the state for
// a checkpoint. It knows nothing of networks, data and plans. A frozen weight has no Slot, so
// nothing here can reach it.
package optim
