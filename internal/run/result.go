package run

import (
	"encoding/json"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Result is the outcome of a fit. fit --json prints its JSON form.
type Result struct {
	ValAccuracy        float64      `json:"val_accuracy"`
	ValLoss            float64      `json:"val_loss"`
	ECE                *float64     `json:"ece,omitempty"`        // of classify, see calibrate.Bins
	ECEChance          *float64     `json:"ece_chance,omitempty"` // that of right probabilities
	GuessLoss          *float64     `json:"guess_loss,omitempty"` // see task.Metrics.Guess
	Temperature        float64      `json:"temperature"`          // that divides the scores of the tuned file
	TrainAccuracy      float64      `json:"train_accuracy"`
	TrainLoss          float64      `json:"train_loss"`
	Seconds            float64      `json:"seconds"`
	Epochs             int          `json:"epochs"`
	Examples           int          `json:"examples"`
	ParamsTotal        int          `json:"params_total"`
	ParamsThawed       int          `json:"params_thawed"`
	FrozenAgain        int          `json:"frozen_again,omitempty"` // weights that trained once and were frozen at the end
	FrozenDigestBefore string       `json:"frozen_digest_before"`
	FrozenDigestAfter  string       `json:"frozen_digest_after"`
	CacheBytes         int64        `json:"cache_bytes"`
	PeakRSS            int64        `json:"peak_rss_bytes"`
	Plan               *freeze.Plan `json:"plan"`
	Out                string       `json:"out"`
	EpochSeconds       []float64    `json:"epoch_seconds"`

	Auto any `json:"auto,omitempty"` // how the plan was chosen, if not by the user

	Shared *Shared `json:"shared,omitempty"` // what workers computed; nil without any that were asked

	ValMetric *task.Named `json:"val_metric,omitempty"` // for tasks other than classify
	// lm: the same metric for the pretrained model
	ValBefore   *task.Named `json:"val_metric_before,omitempty"`
	TrainMetric *task.Named `json:"train_metric,omitempty"`

	Diagnosis *report.Diagnosis `json:"diagnosis,omitempty"`

	MacroF1   float64       `json:"macro_f1"`
	BestEpoch int           `json:"best_epoch"`
	Confusion [][]int64     `json:"confusion"`
	Classes   []string      `json:"classes,omitempty"`
	Val       *task.Metrics `json:"-"`

	// Mistakes are the worst mistakes of the written weights on the validation examples, the worst
	// first, and MistakesCount is how many there were; for a fit with a run folder.
	Mistakes      []Mistake `json:"-"`
	MistakesCount int       `json:"-"`
	Session       *Session  `json:"-"` // whose fit it was

	// Each is the metrics of every single validation example at the last epoch, if the session
	// asked for them.
	Each []*task.Metrics `json:"-"`
}

// validated takes over what was measured on the validation examples.
func (r *Result) validated(m *task.Metrics) {
	r.ValAccuracy, r.ValLoss, r.MacroF1, r.Confusion, r.Val, r.ValMetric = m.Accuracy(), m.Loss(), m.MacroF1(), m.Matrix, m, m.Named()
	if guess, ok := m.Guess(); ok && r.GuessLoss == nil {
		r.GuessLoss = &guess
	}
	if r.ValMetric == nil {
		ece, chance := m.Bins.ECE(), m.Bins.Chance()
		r.ECE, r.ECEChance = &ece, &chance
	}
}

// MarshalJSON omits the fields that only classify has if the task is another.
func (r *Result) MarshalJSON() ([]byte, error) {
	type plain Result
	if r.ValMetric == nil {
		return json.Marshal((*plain)(r))
	}
	return json.Marshal(struct {
		*plain
		ValAccuracy   *float64 `json:"val_accuracy,omitempty"`
		TrainAccuracy *float64 `json:"train_accuracy,omitempty"`
		MacroF1       *float64 `json:"macro_f1,omitempty"`
		Confusion     *int     `json:"confusion,omitempty"`
	}{plain: (*plain)(r)})
}
