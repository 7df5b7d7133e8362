// Package version holds the version of Permafrost.
package version

// Version is what run records and tuned files carry.
const Version = "0.1.0"
