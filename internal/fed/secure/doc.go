// Package secure adds up the vectors of many clients so that the server learns the sum and nothing
// else of any one of them, also where some clients fall silent on the way. It knows nothing of
// networks or messages.
//
// The protocol is that of Bonawitz, Ivanov, Kreuter, Marcedone, McMahan, Patel, Ramage, Segal and
// Seth, Practical Secure Aggregation for Privacy-Preserving Machine Learning, CCS 2017, for parties
// that follow it and look at what they see. Every two clients agree on a mask that one adds and the
// other takes off, so masks vanish in the sum. A client that drops out leaves its masks behind: then
// the others reveal their Shamir shares of the key that made them. A second mask of each client's
// own keeps its vector hidden when the server says that it dropped out and its vector comes late.
//
//	client                                   server
//	Keys ------------ public keys ---------> roster: the clients of this sum
//	Share <---------- roster --------------
//	      ----------- sealed shares -------> passes each on to its client
//	Mask  <---------- sealed shares -------
//	      ----------- masked vector -------> survivors: those whose vectors came
//	Reveal <--------- survivors -----------
//	      ----------- shares --------------> Unmask: the sum over the survivors
//
// Who sees what: the server sees masked vectors, which are uniformly random numbers, and the sum. It
// could learn a vector only together with as many clients as the threshold. A server that shows
// different survivors to different clients could reach that with fewer: with a threshold above two
// thirds of the clients it cannot unless a third of them help it.
//
// Primitives are kept ones: X25519, HKDF with SHA-256, AES-256 in counter mode for masks and GCM for
// shares, and Shamir's scheme of circl.
package secure
