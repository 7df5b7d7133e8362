// Package privacy adds the noise of differential privacy to federated updates, and counts what the
// rounds have given away. It knows nothing of networks or messages.
//
// The unit of privacy is a client: what leaves the federation would be nearly as likely without it.
// In the central form clients send their clipped changes and the server adds noise to the sum. The
// clients then trust the server. In the local form every client adds noise to its own change, and
// trusts nobody.
//
// The accountant counts in Renyi differential privacy. Its bounds hold for what a Round describes
// and for nothing else: a cohort of fixed size, for instance, is no Poisson sample, and counts as
// if every client took part.
package privacy
