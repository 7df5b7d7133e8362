// Package split is the builder. It turns a pretrained model, a head, a plan and a task into the
// network that a fit trains. The network is split at the frontier into a frozen region, which only
// runs inference, and a live region, which trains.
//
// In: a model and how it is fed (Base), a task, and Options. Out: a Network. It compiles programs
// for any size, and describes how the tuned file differs from the base (Patch). Everybody who needs
// a network calls New.
//
// It must not know where examples come from, what is kept at the frontier, or how weights are
// updated. Programs read weights in place: a change to the contents of a thawed weight takes effect
// at the next run.
package split
