package fed

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// A federation logs what a fit logs, with its rounds as epochs, and beside that its rounds and
// clients: what reads the log of a fit can read its.

// SettingsFile says how the federation in a folder goes on.
const SettingsFile = run.FederationFile

// folder is what SettingsFile says. Options of training are in the run.yaml beside it.
type folder struct {
	Settings  Settings `json:"settings"`
	Simulated string   `json:"simulated,omitempty"` // in words
}

// announce logs what is known before the first round of this process.
func (s *Server) announce() error {
	session := s.o.Local.Session()
	if s.o.Dir != nil {
		b, err := json.MarshalIndent(folder{s.o.Settings, s.o.World}, "", "  ")
		if err != nil {
			return err
		}
		if err := s.o.Dir.WriteFile(SettingsFile, append(b, '\n')); err != nil {
			return err
		}
	}
	options, err := json.Marshal(session.Config)
	if err != nil {
		return err
	}
	s.o.Events.Emit(&report.RunStart{Version: version.Version, Model: session.Config.Model, Data: session.Config.Data, Config: options, Epochs: s.o.Settings.Rounds,
		Threads: kernel.Threads(), Resumed: s.o.Resume, Epoch: s.st.Round + 1, Step: steps(s.st.Records), Over: s.st.Round >= s.o.Settings.Rounds})
	data, plan := s.o.Local.Events()
	if session.Train == session.Val { // the clients have the examples
		data.Train, data.Counts = 0, nil
	}
	s.o.Events.Emit(data)
	s.o.Events.Emit(plan)
	for _, text := range s.o.Notes {
		s.o.Events.Emit(&report.Warning{Message: text})
	}
	return nil
}

// steps are the optimiser steps of all clients in these rounds.
func steps(rounds []report.RoundEvent) int {
	n := 0
	for _, r := range rounds {
		for _, c := range r.Clients {
			n += c.Steps
		}
	}
	return n
}

// ended logs a round, as itself and as an epoch.
func (s *Server) ended(r *report.RoundEvent) {
	s.o.Events.Emit(r)
	n, right := 0, 0.0
	for _, c := range r.Clients {
		n += c.Examples
		right += float64(c.Accuracy) * float64(c.Examples)
	}
	e := &report.EpochEvent{Epoch: r.Round, Step: steps(s.st.Records), TrainLoss: r.Loss, TrainAccuracy: report.Number(right / float64(max(1, n))), Val: s.val, LR: r.LR,
		Best: s.st.Best == r.Round, Seconds: r.Seconds, PeakRSS: report.PeakRSS()}
	if r.Seconds > 0 {
		e.Rate = float64(n*s.o.Kit.Epochs) / r.Seconds
	}
	s.o.Events.Emit(e)
}

// end logs how this process's part of the federation ended.
func (s *Server) end(out *Outcome, err error, began time.Time) {
	e := &report.RunEnd{Status: run.Done, Epochs: s.st.Round, BestEpoch: s.st.Best, Seconds: time.Since(began).Seconds(), PeakRSS: report.PeakRSS()}
	switch {
	case err != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		e.Status = run.Interrupted
	case err != nil:
		e.Status, e.Error = run.Failed, err.Error()
	default:
		r := s.result(out.Val)
		r.Seconds = e.Seconds
		for _, round := range s.st.Records[:s.first] { // of processes before this one
			r.Seconds += round.Seconds
		}
		e.FrozenDigest, e.ParamsThawed, e.ModelBytes, e.Seconds = r.FrozenDigestAfter, r.ParamsThawed, out.Bytes, r.Seconds
		if e.Result, err = json.Marshal(r); err != nil {
			e.Status, e.Error = run.Failed, err.Error()
		}
	}
	s.o.Events.Emit(e)
}

// result is what a fit would tell of the weights that were written.
func (s *Server) result(val *task.Metrics) *run.Result {
	r := s.o.Local.Result(val)
	r.Epochs, r.BestEpoch, r.PeakRSS = s.st.Round, s.st.Best, report.PeakRSS()
	for _, m := range s.st.Members {
		r.Examples += m.Examples
	}
	for _, round := range s.st.Records {
		r.EpochSeconds = append(r.EpochSeconds, round.Seconds)
		if round.Round == s.written() {
			r.TrainLoss = float64(round.Loss)
		}
	}
	if r.TrainLoss-r.TrainLoss != 0 {
		r.TrainLoss = 0
	}
	if s.o.Dir != nil {
		r.Out = s.o.Dir.Path
	}
	return r
}
