// Package workers runs the trials of a search in other processes, on this machine or on many.
//
// A Crew is the side of the search, Work that of a worker; a cluster carries what they say.
//
//	search                        cluster                       worker
//	------                        -------                       ------
//	Crew.Runner --- kit, files -> blobs      -- kit, files ---> prepares session and bench, once
//	Start ------------- task ---> jobs queue -------- task ---> Bench.Run
//	Next <----------- outcome --- results    <---- outcome ---
//
// A task has the same outcome wherever it runs, and a trial goes on from any point: a worker that
// did not begin it runs it again from its start. So a worker may come, leave or be lost at any time.
// The package adds no truth of its own: that is the log of the search.
package workers
