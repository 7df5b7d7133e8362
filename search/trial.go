package search

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// Trial is what is known of one trial. Its JSON form is what search --json lists.
type Trial struct {
	Number       int            `json:"trial"`
	Options      map[string]any `json:"options"` // the parameters of the space
	Plan         string         `json:"plan"`    // selectors of what was thawed
	Adapter      string         `json:"adapter,omitempty"`
	Head         string         `json:"head"`
	LR           float64        `json:"lr"`
	Epochs       int            `json:"epochs"`       // that it trained
	ValAccuracy  float64        `json:"val_accuracy"` // on held-out training examples; the metric of other tasks, larger is better
	ValLoss      float64        `json:"val_loss"`
	Seconds      float64        `json:"seconds"`
	ParamsThawed int            `json:"params_thawed"`
	ParamsTotal  int            `json:"params_total"`
	LatencyMS    float64        `json:"latency_ms"`
	Bytes        int64          `json:"bytes"` // of all weights
	State        string         `json:"state"` // done, pruned (stopped before its last epoch), failed, or running
	Why          string         `json:"why,omitempty"`

	// TestAccuracy is that of the best trial, trained on all training examples, on the validation
	// examples.
	TestAccuracy *float64 `json:"test_accuracy,omitempty"`
	TestMetric   *float64 `json:"test_metric,omitempty"` // of tasks other than classify
}

// OptionsText writes the parameters of a trial in a line, in the order of their names.
func (t Trial) OptionsText() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(t.Options)) {
		v := cmp.Or(fmt.Sprint(t.Options[name]), "none")
		if x, ok := t.Options[name].(float64); ok {
			v = fmt.Sprintf("%.3g", x)
		}
		parts = append(parts, name+" "+v)
	}
	return strings.Join(parts, "  ")
}

// score writes how a trial did.
func (t Trial) score() string {
	switch t.State {
	case "failed":
		return "failed: " + t.Why
	case "pruned":
		return fmt.Sprintf("%.4g after %d epochs", t.ValAccuracy, t.Epochs)
	}
	return fmt.Sprintf("%.4g", t.ValAccuracy)
}

// trialOf describes a result, or a task that runs. shared are the options that all trials share.
func trialOf(r *trials.Record, shared config.Config, e trials.Entry) Trial {
	t := Trial{Number: e.Trial, Options: map[string]any{}, State: "running"}
	for _, o := range e.Point.Settings() {
		t.Options[o.Name] = o.Value.Any()
	}
	if cfg, err := trials.Apply(shared, e.Point); err == nil { // it was applied before
		t.Plan, t.Adapter, t.Head = cmp.Or(strings.Join(cfg.Thaw, ","), "head"), cfg.Adapter, cfg.Head
	}
	of := e.Outcome
	if of == nil {
		return t
	}
	t.LR, t.Epochs, t.ValAccuracy, t.ValLoss, t.Seconds = of.LR, of.Epochs, of.Score, of.Loss, of.Seconds
	t.ParamsThawed, t.ParamsTotal, t.LatencyMS, t.Bytes, t.Why = of.ParamsThawed, of.ParamsTotal, of.LatencyMS, of.Bytes, of.Failed
	switch {
	case e.Failed():
		t.State = "failed"
	case r.Whole(e):
		t.State = "done"
	default:
		t.State = "pruned"
	}
	return t
}
