// Package frozenpass divides the frozen pass over a data set among processes: what the frozen region
// makes of each example is computed once, by whoever is free.
//
// A Crew is the side of the command, which always takes part; a Worker that of others. A cluster
// carries what they say.
//
//	command                        cluster                       worker
//	-------                        -------                       ------
//	keep: a pass begins
//	Crew ---- kit, examples ----> blobs     -- kit, examples --> prepares the network, once
//	     ---- shard ------------> jobs queue ------- shard ----> keep.Compute
//	keep <--- digest, values ---- results, uploads <- values ---
//
// In: a keep.Pass, the examples whose values are not kept. Out: their values, with the bits that are
// computed here. So nothing depends on workers: where none is there, or all are lost, or what they
// send is wrong, the command computes the rest. The package decides neither what is kept nor where.
package frozenpass
