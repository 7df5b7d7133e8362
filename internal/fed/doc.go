// Package fed tunes a model over many clients whose examples stay where they are. Only the thawed
// weights travel.
//
//	server                                        client
//	------                                        ------
//	Kit: model, plan, classes, standardisation -> opens the model and its own examples, checks digests
//	            <- what it is: examples, the depth that it can afford
//	round:
//	weights, or what changed since; mask ------->  trains some epochs
//	            <- what changed, compressed
//	combines, steps, validates, saves, logs
//
// A Server makes rounds. A Client answers tasks. A Carrier brings tasks to clients and answers back:
// that of package link goes over a cluster, that of package simulate stays in one process. Server and
// Client are the same with both.
//
// What the weights are is a vector, that of run.Local. The packages below know vectors only:
// aggregate combines changes, compress makes them small, freezing chooses which numbers take part,
// privacy adds noise and counts, secure sums without looking, mixture describes frozen features.
//
// The result follows from the settings, the clients that took part in each round and their examples,
// to the bit: neither from the order in which answers came, nor from the number of attempts. Noise
// for privacy is the exception, as nobody may be able to foretell it.
package fed
