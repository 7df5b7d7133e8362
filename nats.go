package permafrost

// NATS says how a server of NATS is reached, at which processes of package search or federate meet.
// This package itself knows no NATS.
type NATS struct {
	// URL is its address, several of a cluster joined by commas. It may hold user and password.
	URL string
	// Credentials is a credentials file of NATS.
	Credentials string
	// CA is a file of certificates that sign the server's, Cert and Key this side's own, all in PEM.
	// Where this side is the server itself, Cert and Key are the server's.
	CA, Cert, Key string
}
