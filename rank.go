package permafrost

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/choose"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/kernel"
)

// RankOptions say how models are ranked.
type RankOptions struct {
	Probe bool // rank by the held-out accuracy of a linear probe, not by LogME

	// Criteria are the caller's own scores, by name; Ranked.Own has their values.
	Criteria map[string]Criterion
	// By is the name of the criterion by which models are ranked, such as logme. Empty: as Probe
	// says.
	By string
}

// Criterion scores the features of a frozen trunk on labelled examples: for each example, a row of
// features and a class, from 0 to below classes. A larger score means that a head on the features
// is expected to do better. It must not change its arguments.
type Criterion func(features [][]float64, labels []int, classes int) (float64, error)

// Ranking lists models, best first. Its JSON form is what rank --json prints.
type Ranking struct {
	Models    []Ranked    `json:"models"`
	Unfit     []Unfit     `json:"unfit,omitempty"` // models that do not take the data
	By        string      `json:"by"`              // the score by which they are ordered
	Agreement []Agreement `json:"agreement"`       // of every pair of scores
	Trust     string      `json:"trust"`           // how much the order can be trusted, in a sentence
}

// Ranked holds the scores of one model.
type Ranked struct {
	Model string  `json:"model"` // path
	Score float64 `json:"score"` // by which models are ordered
	// log evidence of a Bayesian linear model, per example
	LogME float64  `json:"logme"`
	LEEP  *float64 `json:"leep"`  // nil if the model has no classifier
	NLEEP float64  `json:"nleep"` // LEEP with clusters of the features as classes
	// share of the features' variance that is between classes
	HScore    float64 `json:"hscore"`
	TransRate float64 `json:"transrate"`     // mutual information of features and labels, by coding rate
	Size      float64 `json:"size_baseline"` // logarithm of the number of parameters

	Own map[string]float64 `json:"own,omitempty"` // other criteria, by name: RankOptions.Criteria

	Probe      *float64 `json:"probe_accuracy,omitempty"` // on held-out examples of the training data
	ProbeError *float64 `json:"probe_error,omitempty"`    // standard error of Probe
	ProbeTrain *float64 `json:"probe_train_accuracy,omitempty"`

	Features int     `json:"features"` // width of the head's input
	Params   int     `json:"params_total"`
	Examples int     `json:"examples"` // number used
	Seconds  float64 `json:"seconds"`

	Notes []string `json:"notes,omitempty"`
}

// Unfit is a model that cannot be ranked on the data.
type Unfit struct {
	Model  string `json:"model"`  // path
	Reason string `json:"reason"` // in one line
}

// Agreement is how far two scores order the models alike.
type Agreement struct {
	A   string   `json:"a"`
	B   string   `json:"b"`
	Tau *float64 `json:"tau"` // Kendall's τ-b; nil if a score is the same for all models
}

// Rank scores pretrained models on the training examples of cfg.Data: features of the frozen trunk,
// no training. The features stay in the cache, so that a fit of the head starts warm. It errors
// where the task has no classes, and if no model takes the data; models that do not are listed in
// Ranking.Unfit.
func Rank(ctx context.Context, cfg Config, models []string, o RankOptions, opts ...Option) (*Ranking, error) {
	defer kernel.Use(cfg.Threads)()
	if len(models) == 0 {
		return nil, badInput(errors.New("no model to rank is named"))
	}
	own := optionsOf(opts)
	sets, err := own.sets(ctx, &cfg)
	if err != nil {
		return nil, err
	}
	asked := map[string]string{} // by path
	paths := slices.Clone(models)
	for i := range paths {
		if err := fetched(ctx, own.sinks, &paths[i]); err != nil {
			return nil, err
		}
		asked[paths[i]] = models[i]
	}
	r, err := choose.Rank(ctx, choose.RankOptions{Config: config.Config(cfg), Sets: sets, Models: paths, Probe: o.Probe, Own: o.criteria(), By: o.By, Progress: own.encoded})
	if err != nil {
		return nil, badInput(err)
	}
	for i := range r.Models {
		r.Models[i].Model = asked[r.Models[i].Model]
	}
	for i := range r.Unfit {
		r.Unfit[i].Model = asked[r.Unfit[i].Model]
	}
	return &Ranking{
		Models:    each(r.Models, rankedOf),
		Unfit:     each(r.Unfit, func(u choose.Unfit) Unfit { return Unfit(u) }),
		By:        r.By,
		Agreement: each(r.Agreement, func(a choose.Agreement) Agreement { return Agreement(a) }),
		Trust:     r.Trust,
	}, nil
}

func rankedOf(m choose.Ranked) Ranked {
	r := Ranked{Model: m.Model, Score: m.Score, Probe: m.Probe, ProbeError: m.ProbeError, ProbeTrain: m.ProbeTrain,
		Features: m.Features, Params: m.Params, Examples: m.Examples, Seconds: m.Seconds, Notes: m.Notes}
	for name, v := range m.Scores {
		switch name {
		case "logme":
			r.LogME = v
		case "leep":
			r.LEEP = &v
		case "nleep":
			r.NLEEP = v
		case "hscore":
			r.HScore = v
		case "transrate":
			r.TransRate = v
		case "size_baseline":
			r.Size = v
		default:
			r.Own = with(r.Own, name, v)
		}
	}
	return r
}

// with adds an entry to a map, which it makes if nil.
func with(m map[string]float64, name string, v float64) map[string]float64 {
	if m == nil {
		m = map[string]float64{}
	}
	m[name] = v
	return m
}

// criteria returns the caller's criteria for package choose.
func (o RankOptions) criteria() []choose.Criterion {
	var out []choose.Criterion
	for _, name := range slices.Sorted(maps.Keys(o.Criteria)) {
		out = append(out, choose.Criterion{Name: name, Score: func(e *choose.Evidence) (float64, error) {
			rows := make([][]float64, e.Len())
			for i := range rows {
				rows[i] = e.X.RawRowView(i)
			}
			return o.Criteria[name](rows, e.Y, e.Classes)
		}})
	}
	return out
}
