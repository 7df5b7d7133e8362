// Package dash is a web page over a folder of runs: a list of them, a page for each, several side by
// side, and a plan page that thaws layers of a model, predicts what a fit would cost, and starts it.
//
// In: requests of a browser on this machine, or of one that has the token. Out: pages made from what
// the folder holds, see package run, and fits as processes of their own. It trains nothing itself, and
// reads nothing outside the folders that it is given. Pages are HTML made here; the script only
// follows what happens and saves reloads.
package dash
