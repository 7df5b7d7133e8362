// Package calibrate measures and corrects how far the probabilities of a classifier can be trusted:
// of the answers given with 80%, about 80% should be right.
//
// Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
package calibrate
