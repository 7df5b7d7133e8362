package run

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// Helpers are other processes that compute a part of the frozen values of any session.
type Helpers interface {
	// For returns them as helpers of a session.
	For(s *Session) keep.Helpers
}

// Helped are helpers that say what came of them, which is then in the result of a fit.
type Helped interface {
	Helpers
	Sum() Shared
}

// Shared says what came of helpers so far: of this process's passes, with the race of Config.Auto.
type Shared struct {
	Workers  int   `json:"workers"`               // whose values were taken
	Here     int   `json:"examples_here"`         // computed beside them
	Others   int   `json:"examples_from_workers"` // computed by workers
	Sent     int64 `json:"bytes_sent"`            // of examples
	Received int64 `json:"bytes_received"`        // of values
}

// TakeFrom lets the fit take the frozen values of its examples from those that are kept for more, in
// which its training and validation examples have the given indices. Where these are of another
// frontier, it computes its own from them if it can.
func (s *Session) TakeFrom(kept *keep.Kept, train, val []int) { s.before = kept.Parts(train, val) }

// encoders opens the examples at the frontier of the current plan.
func (f *loop) encoders(ctx context.Context) error {
	s := f.session
	var e *keep.Encoders
	var kept *keep.Summary
	if k := s.kept; k != nil && k.Net == s.Net {
		e, kept = k.Encoders, k.Summary
	} else {
		o := s.keepOptions(f.events)
		o.Private, o.Brief = s.again(), f.brief()
		var err error
		if e, kept, err = keep.Open(ctx, s.Net, s.Train, s.Val, o, f.frontier); err != nil {
			return err
		}
	}
	s.kept = nil
	f.frontier, f.cached = e, kept.Bytes
	f.events.Emit((*report.CacheEvent)(kept))
	if e.Stored() || s.stage.schedule == nil {
		s.Net.ReleaseFrozen()
		kernel.ReleaseScratch() // its sizes are those of frozen layers
		kernel.ReleaseMemory()
	}
	return nil
}

// keepOptions are KeepOptions that tell events.
func (s *Session) keepOptions(events *report.Events) keep.Options {
	o := s.KeepOptions()
	o.Progress = func(done, total int) { events.Emit(&report.Encoded{Done: done, Total: total}) }
	o.Warn = func(message string) { events.Emit(&report.Warning{Message: message}) }
	return o
}

// KeepOptions returns the options for keeping values at the frontier.
func (s *Session) KeepOptions() keep.Options {
	o := s.Config.KeepOptions()
	o.Shared = s.Cache
	if s.Helpers != nil {
		o.Helpers = s.Helpers.For(s)
	}
	o.Progress, o.Warn = func(int, int) {}, func(message string) { s.Notes = append(s.Notes, message) }
	return o
}
