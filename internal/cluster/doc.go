// Package cluster carries work and files between processes: a work queue, and blobs by digest. It
// knows nothing of models, data or trials. A job is bytes with a name, and so is its result.
//
// It stands on NATS JetStream. By default the server is embedded in the process that opens the
// cluster; with a URL a real cluster of servers is used, and everything else stays the same.
//
//	coordinator                       server                        worker
//	-----------                       ------                        ------
//	Queue.Submit ------ job -------> jobs stream ---- job --------> Work
//	                                 claims stream <-- attempt n --   |  runs, says "in progress"
//	Queue.Next <------- result ----- results stream <-- result ----   |
//	Put --------------- parts -----> object store --- parts ------> Fetch
//	Uploaded <--------- parts ------ uploads stream <-- parts ----- Upload
//
// # What holds
//
//   - A job has one result. Several attempts may run, because a worker that was thought lost may
//     come back; the first result is kept by the server and later ones are dropped.
//   - A job is submitted once. Submitting it again, in this process or a later one, changes nothing.
//   - A worker says that it is at work while it is. A job whose worker falls silent for the lapse is
//     given to another.
//   - Attempts have numbers, 1 and up, which are never used twice. After three attempts that failed
//     or whose worker was lost, the job is given up, and its result says why.
//   - A worker of another version or protocol is refused.
//   - With Options.Users, users of different groups neither read nor forge what the others and the
//     coordinator say to each other; see User, WorkerRights and seal.go.
//   - Every wait ends: with the context, or after Options.Wait without a server.
//
// The truth is the caller's own log of results, never the server. A caller that starts again submits
// what its log does not hold; results that it had not read are there to be read, and jobs that were
// lost with a damaged store are run again.
package cluster
