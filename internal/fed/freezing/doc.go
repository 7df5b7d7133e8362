// Package freezing decides which of the thawed weights take part in a round of a federation. What
// takes no part is neither sent nor changed. It knows nothing of networks or messages: weights are
// the places of a vector, and a Mask says which of them are active.
//
// Decisions follow from the changes that the server has announced, so server and clients could make
// them alike. Here the server makes them and sends the mask.
package freezing
