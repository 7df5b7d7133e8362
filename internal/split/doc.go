// Package split is the builder: it makes of a pretrained model, a head, a plan and a task the
// network that a fit trains, split at the frontier into a frozen region, which is inference, and a
// live one, which trains.
//
// In come a model with the way in which it is fed (Base), a task, and Options; out comes a Network,
// which compiles programs for the sizes that are asked for, and which knows how the tuned file
// differs from the base (Patch). Everybody who needs a network calls New.
//
// It must not know where examples lie, what is kept at the frontier, or how weights move: its
// programs read weights in place, so that changing a thawed weight's contents changes what the next
// run computes.
package split
