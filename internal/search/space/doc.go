// Package space says what a search looks through: parameters, their values, and under which
// conditions each exists. A Point is one choice of all of them.
//
// In: the YAML of a space file, or parameters made in code. Out: points, drawn, read, counted or
// walked through. It knows the names and values of options from its caller only (Known), nothing of
// models, data or how trials run.
package space
