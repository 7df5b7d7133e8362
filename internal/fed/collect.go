package fed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// whyNot says in brackets why answers do not count; empty where all do.
func whyNot(r *report.RoundEvent) string {
	var parts []string
	if n := len(r.Lost); n > 0 {
		parts = append(parts, fmt.Sprintf("%d did not answer, as %s: %s", n, r.Lost[0].Client, r.Lost[0].Why))
	}
	if n := len(r.Rejected); n > 0 {
		parts = append(parts, fmt.Sprintf("%d were rejected, as %s: %s", n, r.Rejected[0].Client, r.Rejected[0].Why))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

func (s *Server) putMask(ctx context.Context, m freezing.Mask) (Blob, error) {
	if m == nil {
		return Blob{}, nil
	}
	return s.put(ctx, m.Marshal())
}

// training is the task of a client.
func (s *Server) training(name string, mask Blob, r *report.RoundEvent) *Task {
	m := s.st.Members[name]
	t := &Task{Kind: Train, Attempt: r.Attempt, Version: s.st.Version, Held: m.Held, Full: s.st.Full, Mask: mask, LR: r.LR, Counted: m.Counted, Loss: s.plan.strategy.NeedsLoss}
	size := 0
	for _, step := range s.st.Steps {
		if step.To > m.Held {
			t.Steps = append(t.Steps, step.Step)
			size += step.Change.Size + step.Mask.Size
		}
	}
	if size >= s.st.Full.Size || len(t.Steps) != s.st.Version-m.Held {
		t.Steps = nil
	}
	return t
}

// collect gives tasks to clients and waits for their answers, up to the deadline. Clients without an
// answer are among the lost of the record.
func (s *Server) collect(ctx context.Context, r *report.RoundEvent, step string, tasks map[string]*Task) (map[string]*Answer, error) {
	id := fmt.Sprintf("%s%d-%s", roundName(s.st.Round), r.Attempt, step)
	out := map[string]*Answer{}
	open := map[string]bool{}
	for _, name := range r.Cohort {
		if t := tasks[name]; t != nil {
			open[name] = true
			if err := s.ask(ctx, name, id, t); err != nil {
				return nil, err
			}
		}
	}
	lost := func(name, why string) {
		r.Lost = append(r.Lost, report.RoundWhy{Client: name, Why: why})
		if s.silent[name] != why && !s.o.Many {
			s.o.Tell(fmt.Sprintf("round %d: no answer of client %s counts: %s", r.Round, name, why))
		}
		s.silent[name] = why
	}
	waiting, cancel := context.WithTimeout(ctx, time.Duration(s.o.Settings.Deadline))
	defer cancel()
	err := s.await(waiting, func() bool { return len(open) == 0 }, func(reply Reply) {
		if reply.ID != id || !open[reply.Client] {
			return // of another step, which is over
		}
		delete(open, reply.Client)
		if reply.Lost != "" {
			lost(reply.Client, reply.Lost)
			return
		}
		a, err := unpack(reply.Body)
		switch {
		case err != nil:
			s.reject(r, reply.Client, err)
		case a.Refused != "":
			s.reject(r, reply.Client, errors.New(a.Refused))
		default:
			out[reply.Client] = a
			delete(s.silent, reply.Client)
		}
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	for _, name := range r.Cohort {
		if open[name] {
			lost(name, fmt.Sprintf("no answer within %v", time.Duration(s.o.Settings.Deadline)))
		}
	}
	slices.SortStableFunc(r.Lost, compareWhy)
	slices.SortStableFunc(r.Rejected, compareWhy)
	return out, nil
}

func compareWhy(a, b report.RoundWhy) int {
	switch {
	case a.Client < b.Client:
		return -1
	case a.Client > b.Client:
		return 1
	}
	return 0
}

func (s *Server) reject(r *report.RoundEvent, client string, err error) {
	r.Rejected = append(r.Rejected, report.RoundWhy{Client: client, Why: err.Error()})
	s.o.Tell(fmt.Sprintf("round %d: the answer of client %s is rejected: %v", r.Round, client, err))
}
