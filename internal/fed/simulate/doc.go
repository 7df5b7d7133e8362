// Package simulate runs a federation in one process. Clients and server are those of package fed;
// tasks and answers pass through memory as bytes. All clients share the frozen values of one data set
// that is divided among them, and as many train at a time as there are threads: memory grows with
// these, not with the number of clients.
package simulate
