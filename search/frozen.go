package search

import (
	"context"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/failure"
	"github.com/permafrost-ml/permafrost/internal/frozenpass"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/trials/workers"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// Sharing divides frozen passes among this process and the workers at a server of NATS, see Work. It is
// a permafrost.Helpers, for one fit after the other.
type Sharing struct{ crew *frozenpass.Crew }

// serverAway is how long a fit waits for its server.
const serverAway = 20 * time.Second

// ShareFrozen connects to the server at which the workers are. It is given to a fit by
// permafrost.WithHelpers; a search with Workers.URL does it by itself. The fit takes part itself and waits
// for no worker: they come and leave as they like, and its result has the same bits without any. onNote
// is called with what happens, from the goroutine that trains; nil for none. It errors where the server
// refuses or is not there.
func ShareFrozen(ctx context.Context, n NATS, onNote func(string)) (*Sharing, error) {
	if n.URL == "" {
		return nil, failure.BadInput(option.Errorf("nats", "it is missing: name the server at which the workers are"))
	}
	if onNote == nil {
		onNote = func(string) {}
	}
	o := at(n)
	o.Wait = serverAway
	crew := newCrew(o, onNote)
	if _, err := crew.Open(ctx); err != nil {
		return nil, failure.BadInput(err)
	}
	return &Sharing{crew}, nil
}

func newCrew(o cluster.Options, tell func(string)) *frozenpass.Crew {
	o.Version, o.Lapse = version.Version, lapse
	return frozenpass.New(frozenpass.Options{Cluster: o, Group: workers.Group, Tell: tell})
}

// For is how package permafrost asks for help, see permafrost.WithHelpers.
func (s *Sharing) For(of *run.Session) keep.Helpers { return s.crew.For(of) }

// Sum is how package permafrost asks what came of it, see Shared.
func (s *Sharing) Sum() run.Shared {
	of := s.crew.Summary()
	return run.Shared{Workers: of.Workers, Here: of.Here, Others: of.Others, Sent: of.Sent, Received: of.Came}
}

// Shared says what came of it so far.
func (s *Sharing) Shared() permafrost.Shared { return permafrost.Shared(s.Sum()) }

// Close leaves the server.
func (s *Sharing) Close() { s.crew.Close() }
