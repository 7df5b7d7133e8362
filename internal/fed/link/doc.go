// Package link carries a federation over a cluster: the server's Carrier, and the work of a client.
//
//	server                                       client NAME
//	------                                       -----------
//	Carrier.Ask --- job of group fed-NAME -----> fed.Client.Handle
//	Carrier.Next <-- result, or upload --------
//	Carrier.Put --- blob, by digest -----------> World, bench
//	Carrier.Dismiss --- job -------------------> Work ends
//
// Each client is a group of the cluster of its own, so that a server can keep clients from reading each
// other's messages. A round is a queue in each group, with the federation and the round in its name;
// it is deleted when the round is over. What a killed server had asked for stays in the queue, and so
// do the answers: the next server finds them under the same names.
package link
