// Package filelock keeps a file for one process. The lock is advisory: who does not ask is not held.
//
// In: an open file. Out: whether this process has it.
package filelock
