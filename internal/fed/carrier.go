package fed

import "context"

// Carrier brings the tasks of a server to its clients, and their answers back. It may be used from
// several goroutines. Every call ends with its context.
type Carrier interface {
	// Present lists the clients that are there, in order of their names.
	Present(ctx context.Context) ([]string, error)
	// Ask gives a client a task. Asking again under the same id changes nothing: the first answer
	// counts, and an answer that an earlier process of the server had got comes again.
	Ask(ctx context.Context, client, id string, task []byte) error
	// Next waits for the next answer of any client.
	Next(ctx context.Context) (Reply, error)
	// Put makes bytes available to all clients, by their digest.
	Put(ctx context.Context, content []byte) (digest string, err error)
	// Drop takes away what Put made available.
	Drop(ctx context.Context, digest string) error
	// Dismiss tells a client that it has no more to do here, and why. It does not wait for it.
	Dismiss(ctx context.Context, client, why string) error
	// Forget says that the tasks of all clients whose ids begin with a prefix are over. Answers that
	// come late are dropped.
	Forget(ctx context.Context, prefix string) error
}

// Reply is what became of a task.
type Reply struct {
	Client, ID string
	Body       []byte
	Lost       string // why there is no answer; "" where there is one
}

// Depot is where a client gets what the server has put.
type Depot interface {
	// Get gives the bytes of a digest.
	Get(ctx context.Context, digest string) ([]byte, error)
}
