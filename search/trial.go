package search

import (
	"strings"

	"github.com/permafrost-ml/permafrost/internal/trials"
)

// trialOf describes a result.
func trialOf(s *trials.Search, e trials.Entry) Trial {
	of := e.Outcome
	t := Trial{Number: e.Trial, Options: map[string]any{}, LR: of.LR, Epochs: of.Epochs, ValAccuracy: of.Score, ValLoss: of.Loss, Seconds: of.Seconds,
		ParamsThawed: of.ParamsThawed, ParamsTotal: of.ParamsTotal, LatencyMS: of.LatencyMS, Bytes: of.Bytes, State: "done", Why: of.Failed}
	for _, o := range e.Point.Settings() {
		t.Options[o.Name] = o.Value.Any()
	}
	cfg, err := trials.Apply(s.Session.Config, e.Point)
	if err == nil { // it was applied before
		t.Plan, t.Head = strings.Join(cfg.Thaw, ","), cfg.Head
	}
	switch {
	case of.Failed != "":
		t.State = "failed"
	case e.Rung < len(s.Header.Rungs)-1:
		t.State = "pruned"
	}
	return t
}
