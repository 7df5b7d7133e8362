// Package alike finds examples that are nearly equal, such as frames of one film or copies of one
// recording, so that held-out examples are not measured on their own copies.
//
// Comes in: the features that a frozen trunk has for the examples, and their classes. Goes out: a
// number for each example, the same for those that are nearly equal. It knows nothing of models or
// of how examples are divided.
//
// What is near is said by the data. Among different examples of one class, the number within a
// distance d of one of them grows as a power of d, whose exponent is the intrinsic dimension
// (Levina, Bickel: Maximum Likelihood Estimation of Intrinsic Dimension, NIPS 2004). The power law
// is fitted to the distances of the farther examples of the class, so that copies have no part in
// it. It gives each example's probability of a neighbour as near as its nearest is. Neighbours are
// near where these probabilities are so small, over all examples, that at most a tenth of the
// findings is chance (Benjamini, Hochberg: Controlling the False Discovery Rate, Journal of the
// Royal Statistical Society B 57, 1995). So features of any scale and width serve, and data without
// copies have none.
//
// Frames of few objects leave a class too few different examples to fit a power law to. Where the
// classes reach into each other, the exponent is then that of the distances between classes.
package alike
