package fed

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/report"
)

// gather waits until enough clients are there and have joined, and gives their names in order.
func (s *Server) gather(ctx context.Context) ([]string, error) {
	end := time.Now().Add(time.Duration(s.o.Settings.Wait))
	told, need := false, s.need()
	for {
		there, err := s.o.Carrier.Present(ctx)
		if err != nil {
			return nil, err
		}
		for name := range s.st.Refused {
			if !slices.Contains(there, name) {
				delete(s.asked, name) // it may come again, mended
			}
		}
		var members []string
		waiting := false
		for _, name := range there {
			if s.st.Members[name] != nil {
				members = append(members, name)
				continue
			}
			if s.asked[name] != "" {
				waiting = waiting || s.st.Refused[name] == ""
				continue
			}
			s.asked[name] = joining + rand.Text()[:8]
			if s.o.Allowed != nil && !slices.Contains(s.o.Allowed, name) {
				if err := s.refuse(ctx, name, "its name is not among those that the server was given"); err != nil {
					return nil, err
				}
				continue
			}
			delete(s.st.Refused, name)
			waiting = true
			if err := s.ask(ctx, name, s.asked[name], &Task{Kind: Join, Counted: -1}); err != nil {
				return nil, err
			}
		}
		// Those that are about to join may still make the first round.
		if len(members) >= need && (!waiting || s.st.Round > 0 || time.Now().After(end)) {
			slices.Sort(members)
			return members, nil
		}
		if s.o.Closed && !waiting {
			return nil, fmt.Errorf("%d of the %d clients can take part, and a round needs %d%s", len(members), len(there), need, s.whyRefused())
		}
		if time.Now().After(end) {
			lower := ""
			if need == s.o.Settings.MinClients {
				lower = ", or lower option min_clients"
			}
			return nil, fmt.Errorf("%d of the %d clients that a round needs have come within %v: start others%s%s", len(members), need, time.Duration(s.o.Settings.Wait), lower, s.goesOn())
		}
		if !told && !waiting {
			s.o.Tell(fmt.Sprintf("waits for clients: %d of %d are there, until %s", len(members), need, end.Format("15:04:05")))
			told = true
		}
		pause, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		err = s.await(pause, func() bool { return waiting && !s.undecided(there) }, nil)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// whyRefused says why a client was refused, if any was.
func (s *Server) whyRefused() string {
	for _, name := range slices.Sorted(maps.Keys(s.st.Refused)) {
		return fmt.Sprintf(" (%s: %s)", name, s.st.Refused[name])
	}
	return ""
}

// goesOn says how the federation goes on that ends here, if its folder has it.
func (s *Server) goesOn() string {
	if s.o.Dir == nil {
		return ""
	}
	return "; what was learned is kept, and option resume goes on"
}

// undecided reports whether any client that was asked to join has neither joined nor been refused.
func (s *Server) undecided(there []string) bool {
	return slices.ContainsFunc(there, func(name string) bool {
		return s.asked[name] != "" && s.st.Members[name] == nil && s.st.Refused[name] == ""
	})
}

// ask gives a client a task.
func (s *Server) ask(ctx context.Context, client, id string, t *Task) error {
	t.Federation, t.Kit, t.Round = s.st.ID, s.kit, s.st.Round
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return s.o.Carrier.Ask(ctx, client, id, b)
}

// await takes answers until enough says so, or ctx ends; it returns ctx's error then. Answers to Join
// are heeded whenever they come, the others are given to take.
func (s *Server) await(ctx context.Context, enough func() bool, take func(r Reply)) error {
	for !enough() {
		select {
		case r := <-s.replies:
			if strings.HasPrefix(r.ID, joining) {
				if err := s.joined(ctx, r); err != nil {
					return err
				}
			} else if take != nil {
				take(r)
			}
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// joining begins the id of a task to join. The rest is different each time, as a client that was
// refused may be mended.
const joining = "join-"

// joined takes an answer to Join. It errors where the carrier fails.
func (s *Server) joined(ctx context.Context, r Reply) error {
	if s.st.Members[r.Client] != nil || s.asked[r.Client] != r.ID {
		return nil
	}
	if r.Lost != "" {
		delete(s.asked, r.Client) // it may come again
		s.o.Tell(fmt.Sprintf("client %s did not join: %s", r.Client, r.Lost))
		return nil
	}
	a, err := unpack(r.Body)
	switch {
	case err != nil:
		return s.refuse(ctx, r.Client, err.Error())
	case a.Refused != "":
		s.refused(r.Client, a.Refused) // it knows
		return nil
	case a.Layout != s.o.Kit.Layout:
		return s.refuse(ctx, r.Client, "its plan is another")
	case a.Examples <= 0 || a.From < 0 || a.From >= len(s.o.Local.Units()):
		return s.refuse(ctx, r.Client, fmt.Sprintf("it says that it has %d examples and trains from unit %d on", a.Examples, a.From))
	case a.From > 0 && s.o.Settings.Secure:
		return s.refuse(ctx, r.Client, "it can afford only a part of what trains, and in a secure sum all clients train the same weights")
	}
	s.st.Members[r.Client] = &member{Examples: a.Examples, From: a.From, Why: a.Why, Counted: -1, Base: a.Base}
	s.o.Events.Emit(&report.ClientEvent{Client: r.Client, Examples: a.Examples, From: a.From, Why: a.Why, Base: a.Base})
	text := fmt.Sprintf("client %s has joined with %d examples", r.Client, a.Examples)
	if a.From > 0 {
		text += fmt.Sprintf(" and trains from %s on: %s", s.o.Local.Units()[a.From], a.Why)
	}
	if !s.o.Many || a.From > 0 {
		s.o.Tell(text)
	}
	return nil
}

// refuse tells a client that it cannot take part.
func (s *Server) refuse(ctx context.Context, client, why string) error {
	s.refused(client, why)
	return s.o.Carrier.Dismiss(ctx, client, why)
}

// refused records that a client cannot take part.
func (s *Server) refused(client, why string) {
	s.st.Refused[client] = why
	s.o.Events.Emit(&report.ClientEvent{Client: client, Refused: why})
	s.o.Tell(fmt.Sprintf("client %s is refused: %s", client, why))
}
