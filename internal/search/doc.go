// Package search decides what a search tries next, and how far each trial goes.
//
// In: a space, the results so far, a seed. Out: the next point (an Algorithm), the next task (a
// Planner), and which parameters mattered (Importance). Everything follows from what goes in, and
// from neither time nor the order in which results arrive. The package runs nothing: it knows
// neither models nor data nor workers.
package search
