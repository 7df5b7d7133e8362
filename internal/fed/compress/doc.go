// Package compress makes the changes of thawed weights small for the way between a client and the
// server of a federation. It knows nothing of networks or messages: a change is a vector whose
// length both sides know from the plan.
//
// What a scheme loses in one round is added to the change of the next one (Feedback), so that
// nothing is lost for good.
package compress
