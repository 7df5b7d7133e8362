package permafrost

import (
	"encoding/json"
	"math"

	"github.com/permafrost-ml/permafrost/internal/auto"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// The files of a run folder.
const (
	RunFile    = "run.yaml"          // every option, for LoadConfig and Fit
	PlanFile   = "plan.json"         // the Plan
	EventsFile = "events.jsonl"      // the events, one JSON object per line
	ModelFile  = "model.onnx"        // the tuned model, for Open
	DeltaFile  = "delta.safetensors" // what the tuned model has in addition to its base
	SealFile   = "seal.json"         // digests of the frozen tensors before and after
	LabelsFile = "labels.txt"        // the names of the tuned model's scores, one a line
	RaceFile   = "race.json"         // with Config.Auto: how the plan was chosen
	ReportFile = "report.html"       // the page of the run, see Report
)

// Result is the outcome of a fit. Its JSON form is what fit --json prints.
type Result struct {
	// ValAccuracy and TrainAccuracy are from 0 to 1, for the task classify only. Training numbers
	// are means over the epoch whose weights were written, while the weights changed.
	ValAccuracy float64 `json:"val_accuracy"`
	ValLoss     float64 `json:"val_loss"`
	// ECE is the expected calibration error on the validation examples, from 0 to 1: how far the
	// probabilities of the answers are from the share of them that is right (Guo et al., On
	// Calibration of Modern Neural Networks, ICML 2017; 15 bins). Nil for tasks other than classify.
	ECE *float64 `json:"ece,omitempty"`
	// ECEChance is the ECE that right probabilities show by chance on as many examples.
	ECEChance *float64 `json:"ece_chance,omitempty"`
	// GuessLoss is the loss on the validation examples of guessing: of all classes alike, or of always
	// giving the mean number. Nil for tasks where there is no such number.
	GuessLoss *float64 `json:"guess_loss,omitempty"`
	// Temperature divides the logits of the tuned model, see Config.Calibrate. 1 leaves them as
	// trained.
	Temperature   float64 `json:"temperature"`
	TrainAccuracy float64 `json:"train_accuracy"`
	TrainLoss     float64 `json:"train_loss"`
	// Seconds is the time of the whole run, including the search of Config.Auto and the parts before
	// a Resume.
	Seconds  float64 `json:"seconds"`
	Epochs   int     `json:"epochs"`   // finished
	Examples int     `json:"examples"` // of training
	// ParamsTotal and ParamsThawed count elements of weights.
	ParamsTotal  int `json:"params_total"`
	ParamsThawed int `json:"params_thawed"`
	// FrozenAgain counts the weights that trained for a part of the run and were frozen at its end, as
	// a Schedule may have it.
	FrozenAgain int `json:"frozen_again,omitempty"`
	// FrozenDigestBefore and FrozenDigestAfter are digests of all frozen tensors. They are equal.
	FrozenDigestBefore string `json:"frozen_digest_before"`
	FrozenDigestAfter  string `json:"frozen_digest_after"`
	CacheBytes         int64  `json:"cache_bytes"`    // of frozen activations that were kept
	PeakRSS            int64  `json:"peak_rss_bytes"` // peak memory of the process
	Plan               *Plan  `json:"plan"`
	// Out is the run folder, empty if nothing was written.
	Out          string    `json:"out"`
	EpochSeconds []float64 `json:"epoch_seconds"`

	// Auto says how the plan was chosen; nil without Config.Auto.
	Auto *AutoChoice `json:"auto,omitempty"`

	// Shared says what other processes computed; nil without WithHelpers.
	Shared *Shared `json:"shared,omitempty"`

	// ValMetric and TrainMetric are the metrics of tasks other than classify; nil for classify.
	ValMetric *Metric `json:"val_metric,omitempty"`
	// ValBefore is, for lm, the metric of the pretrained model.
	ValBefore   *Metric `json:"val_metric_before,omitempty"`
	TrainMetric *Metric `json:"train_metric,omitempty"`

	Diagnosis *Diagnosis `json:"diagnosis,omitempty"`

	MacroF1   float64 `json:"macro_f1"`
	BestEpoch int     `json:"best_epoch"` // from 1, 0 if there is none
	// Confusion counts validation examples: row is the true class, column the predicted one.
	Confusion [][]int64 `json:"confusion"`
	// Classes are the names of the scores, nil if they have none.
	Classes []string `json:"classes,omitempty"`
}

// Shared says what came of sharing frozen passes with other processes so far, see WithHelpers: of the
// fit, with the race of Config.Auto, and of fits before it that had the same helpers.
type Shared struct {
	Workers  int   `json:"workers"`               // whose values were taken
	Here     int   `json:"examples_here"`         // that this process computed beside them
	Others   int   `json:"examples_from_workers"` // that workers computed
	Sent     int64 `json:"bytes_sent"`            // of examples
	Received int64 `json:"bytes_received"`        // of values
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

// Metric is a number that measures how good a model is at its task: macro_f1 for multilabel, rmse
// for regress, perplexity for lm, error_rate for ctc.
type Metric struct {
	Name  string
	Value float64 // NaN if there is none
}

// MarshalJSON writes {"name","value"}, with null for NaN or infinity.
func (m *Metric) MarshalJSON() ([]byte, error) {
	return json.Marshal(task.Named{Name: m.Name, Value: task.Finite(m.Value)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (m *Metric) UnmarshalJSON(b []byte) error {
	var n task.Named
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*m = *metricOf(&n)
	return nil
}

// String formats the metric for a person, such as "macro f1 0.8125".
func (m *Metric) String() string {
	n := task.Named{Name: m.Name, Value: task.Finite(m.Value)}
	return report.MetricText(&n, 0)
}

func metricOf(n *task.Named) *Metric {
	switch {
	case n == nil:
		return nil
	case n.Value == nil:
		return &Metric{n.Name, math.NaN()}
	}
	return &Metric{n.Name, *n.Value}
}

// Metrics say how well a model does on a set of examples.
type Metrics struct {
	Examples int
	Loss     float64 // mean per example, for lm per token
	// Accuracy, MacroF1 and Confusion are for classify only: from 0 to 1, and examples by true
	// class (row) and predicted class (column).
	Accuracy  float64
	MacroF1   float64
	Confusion [][]int64
	// ECE is the expected calibration error, from 0 to 1: how far the probabilities of the answers are
	// from the share of them that is right. It is for classify only.
	ECE float64
	// Metric is the metric of the other tasks, nil for classify.
	Metric *Metric
}

func metricsOf(m *task.Metrics) *Metrics {
	if m == nil {
		return nil
	}
	r := &Metrics{Examples: m.Examples, Loss: m.Loss(), Metric: metricOf(m.Named())}
	if r.Metric == nil {
		r.Accuracy, r.MacroF1, r.Confusion, r.ECE = m.Accuracy(), m.MacroF1(), m.Matrix, m.Bins.ECE()
	}
	return r
}

// The verdicts of a Diagnosis.
const (
	Underfitting = "underfitting" // the model fails on its training examples
	// the model does clearly worse on validation than on training examples
	Overfitting = "overfitting"
	Fine        = "fine"
	Unclear     = "unclear" // the numbers are inconclusive
)

// Diagnosis says what is wrong with a fit, judged by its numbers, and what to freeze or thaw next.
type Diagnosis struct {
	Verdict string `json:"verdict"`          // Underfitting, Overfitting, Fine or Unclear
	Why     string `json:"why"`              // the numbers in sentences
	Advice  string `json:"advice,omitempty"` // what to do about it
}

// AutoChoice says how Config.Auto chose a plan. Its JSON form is race.json.
type AutoChoice struct {
	Thaw    []string `json:"thaw"`
	Adapter string   `json:"adapter,omitempty"` // that trains beside the frozen layers
	LR      float64  `json:"lr"`
	Epochs  int      `json:"epochs"`
	Start   string   `json:"start"`         // none, or probe: from a head that was first trained alone
	Augment string   `json:"augment"`       // how its training examples change at random, or none
	Weights string   `json:"class_weights"` // none, or balanced
	Text    string   `json:"text"`          // the choice in one line
	Why     string   `json:"why"`           // the reason in sentences
	Metric  string   `json:"metric"`        // of the scores

	Advised    string          `json:"advised,omitempty"` // what Advise recommends without trials
	Candidates []AutoCandidate `json:"candidates"`
	Trials     []AutoTrial     `json:"trials"`

	// parts into which the training examples were divided
	Parts    int `json:"parts"`
	Examples int `json:"examples"` // of training
	// floating-point operations of the search, counted
	Work    float64 `json:"work"`
	Limit   float64 `json:"work_limit,omitempty"` // on Work; 0 if time was the limit
	Grid    float64 `json:"grid_work"`            // of fitting every plan at three learning rates
	Seconds float64 `json:"seconds"`              // duration of the search
}

// AutoCandidate is a plan at a learning rate, with what is known of it at the end of the search.
type AutoCandidate struct {
	Thaw    []string `json:"thaw"`
	Adapter string   `json:"adapter,omitempty"`
	Start   string   `json:"start"` // none, or probe
	LR      float64  `json:"lr"`
	Params  int      `json:"params_thawed"`
	Share   float64  `json:"share"` // of its epochs, in its longest trial
	// the metric on the parts measured there; larger is better
	Score   *float64 `json:"score"`
	Error   *float64 `json:"error"`    // standard error of Score
	HeldOut int      `json:"held_out"` // examples in those parts
	// the loss that it is expected to have on new examples, over that of the choice, as a natural
	// logarithm: above 0 it is expected to be worse
	Behind *float64 `json:"behind"`
	Within *float64 `json:"within"` // standard deviation of Behind
	Work   float64  `json:"work"`   // of a fit to all training examples
	Failed string   `json:"failed,omitempty"`
}

// AutoTrial is a fit of a candidate to all parts but one, from where it paused to where it pauses
// again.
type AutoTrial struct {
	Round   int      `json:"round"` // number of the trial, from 1
	Thaw    []string `json:"thaw"`
	Adapter string   `json:"adapter,omitempty"`
	Start   string   `json:"start"`
	LR      float64  `json:"lr"`
	Epochs  int      `json:"epochs"` // that it has trained so far
	Share   float64  `json:"share"`  // of the training examples on which it trained
	Part    int      `json:"part"`   // the held-out part
	HeldOut int      `json:"held_out"`
	Score   *float64 `json:"score"` // the metric; larger is better
	Seconds float64  `json:"seconds"`
	Failed  string   `json:"failed,omitempty"`
}

func resultOf(r *run.Result) *Result {
	return &Result{
		ValAccuracy: r.ValAccuracy, ValLoss: r.ValLoss, ECE: r.ECE, ECEChance: r.ECEChance, GuessLoss: r.GuessLoss, Temperature: r.Temperature, TrainAccuracy: r.TrainAccuracy, TrainLoss: r.TrainLoss,
		Seconds: r.Seconds, Epochs: r.Epochs, Examples: r.Examples, ParamsTotal: r.ParamsTotal, ParamsThawed: r.ParamsThawed, FrozenAgain: r.FrozenAgain,
		FrozenDigestBefore: r.FrozenDigestBefore, FrozenDigestAfter: r.FrozenDigestAfter,
		CacheBytes: r.CacheBytes, PeakRSS: r.PeakRSS, Plan: planOf(r.Plan), Out: r.Out, EpochSeconds: r.EpochSeconds,
		Auto: autoOf(r), ValMetric: metricOf(r.ValMetric), ValBefore: metricOf(r.ValBefore), TrainMetric: metricOf(r.TrainMetric),
		Diagnosis: (*Diagnosis)(r.Diagnosis), MacroF1: r.MacroF1, BestEpoch: r.BestEpoch, Confusion: r.Confusion, Classes: r.Classes,
		Shared: (*Shared)(r.Shared),
	}
}

func autoOf(r *run.Result) *AutoChoice {
	a, ok := r.Auto.(*auto.Report)
	if !ok {
		return nil
	}
	return &AutoChoice{
		Thaw: a.Thaw, Adapter: a.Adapter, LR: a.LR, Epochs: a.Epochs, Start: a.Start, Augment: a.Augment, Weights: a.Weights, Text: a.Text, Why: a.Why, Metric: a.Metric, Advised: a.Advised,
		Candidates: each(a.Candidates, func(c auto.Candidate) AutoCandidate { return AutoCandidate(c) }),
		Trials:     each(a.Trials, func(t auto.Trial) AutoTrial { return AutoTrial(t) }),
		Parts:      a.Parts, Examples: a.Examples, Work: a.Work, Limit: a.Limit, Grid: a.Grid, Seconds: a.Seconds,
	}
}

// each is f of every element, nil for nil.
func each[A, B any](s []A, f func(A) B) []B {
	if s == nil {
		return nil
	}
	out := make([]B, len(s))
	for i, v := range s {
		out[i] = f(v)
	}
	return out
}
