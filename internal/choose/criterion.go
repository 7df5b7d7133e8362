package choose

import (
	"errors"
	"fmt"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Evidence is what criteria score a pretrained model by: the features of its frozen trunk, and
// more.
type Evidence struct {
	*Sample
	// probabilities [N,Z] of the model's own classes; nil where it has no classifier
	Theta  *mat.Dense
	Params int // number of elements in the model's weights
	Seed   uint64
}

// Criterion scores a pretrained model for labelled examples. The larger the score, the better a
// head on its features can be expected to be.
type Criterion struct {
	Name  string // as rank prints it
	Score func(e *Evidence) (float64, error)
}

// ErrSilent is the error of a criterion that has nothing to say of a model.
var ErrSilent = errors.New("nothing to say")

// registered holds the criteria in the order of their files.
var registered []Criterion

// Register adds a criterion to rank. It panics on a name that is taken. Only init functions call
// it.
func Register(c Criterion) {
	if slices.ContainsFunc(registered, func(o Criterion) bool { return o.Name == c.Name }) {
		panic(fmt.Sprintf("choose: criterion %q is registered twice", c.Name))
	}
	registered = append(registered, c)
}

// GradientCriterion scores a block of weights by its gradients.
type GradientCriterion struct {
	Name  string // as advise prints it
	Score func(ts []*Traced) float64
}

var gradientCriteria []GradientCriterion

// RegisterGradient adds a criterion to advise, as Register does to rank.
func RegisterGradient(c GradientCriterion) {
	if slices.ContainsFunc(gradientCriteria, func(o GradientCriterion) bool { return o.Name == c.Name }) {
		panic(fmt.Sprintf("choose: criterion %q is registered twice", c.Name))
	}
	gradientCriteria = append(gradientCriteria, c)
}
