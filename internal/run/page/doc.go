// Package page draws the report of a run, and of several runs side by side: one HTML file that needs
// no network.
//
// In: run folders. Out: HTML with the network, curves, mistakes, what freezing saved, and how the
// run was made. It knows nothing of training but what events and files of a run folder tell.
package page
