package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Options says which server is used, and how. The zero value, with a Store, is an embedded server
// that only this process can reach.
type Options struct {
	// URL is the address of a NATS server with JetStream, several joined by commas. Empty: the
	// server is embedded.
	URL string
	// Credentials is a credentials file of NATS. User and Password may stand in the URL as well.
	Credentials, User, Password string
	// CA is a file of certificates, in PEM, that sign the server's. Cert and Key are this side's own
	// certificate: the client's, or with Listen the embedded server's.
	CA, Cert, Key string
	// Replicas is how many servers hold each message, 1 to 5. 0: as it is, or 1 where nothing is.
	Replicas int

	// Store is the folder of the embedded server. One process at a time can hold it.
	Store string
	// Listen is the address, host:port, at which the embedded server takes workers of other
	// processes. Port 0 is a free one, which stays the same when the store is opened again. Empty:
	// the server is reached inside the process only.
	Listen string
	// Flush is how often the embedded server flushes its files to the disk; all that came meanwhile share
	// one flush. Killing the server then loses nothing, a loss of power what came since the last flush:
	// it is for a caller whose own log has every result that counts. 0: before each answer.
	Flush time.Duration
	// Users are those who may join an embedded server that listens, beside this process; nobody else
	// may then. Empty: everybody may who has the token of Cluster.URL. The same store may be opened
	// with other users.
	Users []User

	// Group, where it is given, is the only group that this side works for. Answers then come to it on
	// subjects of the group, so that a server can keep groups from reading each other's.
	Group string
	// Version is the version of the program. Coordinator and workers must have the same.
	Version string
	// Cache is the folder in which Blobs.Fetch keeps files.
	Cache string
	// Wait is how long a server may be away before a call gives up. 0: two minutes.
	Wait time.Duration
	// Lapse is how long a worker may be silent before its job is given to another. The queue's side
	// says it. 0: thirty seconds.
	Lapse time.Duration
	// Event is told what happens, from one goroutine at a time. It must not block.
	Event func(Event)
}

// Check errors where Open would refuse the options. It reaches no server.
func (o Options) Check() error {
	_, err := o.withDefaults()
	return err
}

func (o Options) withDefaults() (Options, error) {
	if o.Wait == 0 {
		o.Wait = 2 * time.Minute
	}
	if o.Lapse == 0 {
		o.Lapse = 30 * time.Second
	}
	if o.Event == nil {
		o.Event = func(Event) {}
	}
	switch {
	case o.URL == "" && o.Store == "":
		return o, errors.New("cluster: neither a URL nor a folder for an embedded server is given")
	case o.URL != "" && o.Listen != "":
		return o, errors.New("cluster: a URL means a server that is there, an address to listen at means one of our own: give one of the two")
	case o.URL == "" && (o.Credentials != "" || o.User != "" || o.Password != ""):
		return o, errors.New("cluster: credentials are for a server at a URL; none is given")
	case (o.Cert == "") != (o.Key == ""):
		return o, errors.New("cluster: a certificate needs its key, and a key its certificate")
	case o.URL == "" && o.Listen == "" && (o.CA != "" || o.Cert != ""):
		return o, errors.New("cluster: certificates are for a connection; the embedded server does not listen")
	case len(o.Users) > 0 && (o.URL != "" || o.Listen == ""):
		return o, errors.New("cluster: users are for an embedded server that listens")
	case o.Replicas < 0 || o.Replicas > 5:
		return o, fmt.Errorf("cluster: %d replicas: NATS takes 1 to 5", o.Replicas)
	case o.URL == "" && o.Replicas > 1:
		return o, fmt.Errorf("cluster: %d replicas need as many servers; the embedded one is alone", o.Replicas)
	case o.Wait < 0 || o.Lapse < 0 || o.Flush < 0:
		return o, errors.New("cluster: a wait is negative")
	}
	if o.Listen != "" {
		if _, _, err := net.SplitHostPort(o.Listen); err != nil {
			return o, fmt.Errorf("cluster: address %q to listen at: %w", o.Listen, err)
		}
	}
	if err := checkUsers(o.Users); err != nil {
		return o, err
	}
	if o.Group != "" {
		if err := CheckName("group", o.Group); err != nil {
			return o, err
		}
	}
	for _, file := range []string{o.Credentials, o.CA, o.Cert, o.Key} {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			return o, fmt.Errorf("cluster: %w", err)
		}
	}
	return o, nil
}

// CheckName errors where a name cannot be that of a group, a queue, a job or a worker. What says
// which of these it is.
func CheckName(what, name string) error {
	if name == "" {
		return fmt.Errorf("a %s has no name", what)
	}
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_':
		default:
			return fmt.Errorf("%s %q: a name has the letters a to z and A to Z, digits, - and _ only", what, name)
		}
	}
	return nil
}
