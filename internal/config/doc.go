// Package config holds every option of a fit: defaults, checks, their YAML and flag forms, and the
// recipe that fills in what the user left open.
//
// In: run.yaml, flags, or a struct of the library. Out: options with nothing left to choose, and
// the parts of them that the packages below take. It must not know how a fit runs.
package config
