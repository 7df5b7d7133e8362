package cluster

import "sync"

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	Disconnected EventKind = "disconnected" // the server is away; calls wait for it
	Reconnected  EventKind = "reconnected"
	Rebuilt      EventKind = "rebuilt"     // a stream was damaged and starts empty
	Resubmitted  EventKind = "resubmitted" // a job that the server had lost was submitted again
	Waiting      EventKind = "waiting"     // a worker, for a queue of its group: only Watch tells it
	Joined       EventKind = "joined"      // a worker
	Left         EventKind = "left"        // a worker, in order
	Refused      EventKind = "refused"     // a worker of another version
	Started      EventKind = "started"     // an attempt
	Failed       EventKind = "failed"      // an attempt, with its error
	Lost         EventKind = "lost"        // the worker of an attempt fell silent
	Dropped      EventKind = "dropped"     // a result that came after another
	Warned       EventKind = "warned"      // what the server says of itself
	Denied       EventKind = "denied"      // this side may not do what it tried
)

// Event is something that a person may want to see. Events of workers reach the queues of their
// group, and whoever watches it. They may be lost with the connection: nothing depends on them.
type Event struct {
	Kind    EventKind `json:"kind"`
	Worker  string    `json:"worker,omitempty"`
	Version string    `json:"version,omitempty"`
	Queue   string    `json:"queue,omitempty"`
	Job     string    `json:"job,omitempty"`
	Attempt int       `json:"attempt,omitempty"`
	// Text is one line: the reason, or what was done.
	Text string `json:"text,omitempty"`
}

// teller hands events on, one at a time.
type teller struct {
	mu   sync.Mutex
	tell func(Event)
}

func (t *teller) say(e Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tell(e)
}
