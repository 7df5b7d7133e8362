package run

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// encoders opens the examples at the frontier of the current plan.
func (f *loop) encoders(ctx context.Context) error {
	s := f.session
	o := s.KeepOptions()
	o.Private, o.Brief = s.again(), f.brief()
	o.Progress = func(done, total int) { f.events.Emit(&report.Encoded{Done: done, Total: total}) }
	o.Warn = func(message string) { f.events.Emit(&report.Warning{Message: message}) }
	e, kept, err := keep.Open(ctx, s.Net, s.Train, s.Val, o, f.frontier)
	if err != nil {
		return err
	}
	f.frontier, f.cached = e, kept.Bytes
	f.events.Emit((*report.CacheEvent)(kept))
	if e.Stored() || s.stage.schedule == nil {
		s.Net.ReleaseFrozen()
	}
	return nil
}

// KeepOptions returns the options for keeping values at the frontier.
func (s *Session) KeepOptions() keep.Options {
	o := s.Config.KeepOptions()
	o.Shared = s.Cache
	o.Progress, o.Warn = func(int, int) {}, func(message string) { s.Notes = append(s.Notes, message) }
	return o
}
