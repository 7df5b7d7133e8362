package aggregate

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Strategy says how a federation learns from its rounds.
type Strategy struct {
	Name string // as it was parsed
	Rule Rule
	// NewOptimizer makes the server's optimizer, without state.
	NewOptimizer func() Optimizer
	// Prox is the weight of half the squared distance from the weights that a round began with, in
	// the loss of every client, 0 for none (Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith, Federated
	// Optimization in Heterogeneous Networks, MLSys 2020).
	Prox float64
	// NeedsEach says that the rule compares the updates with each other: it cannot work on a sum, as
	// secure aggregation gives it.
	NeedsEach bool
	// NeedsLoss says that the rule weighs clients by their loss.
	NeedsLoss bool
}

// WithRate tells the strategy the clients' learning rate, which qfedavg needs.
func (s Strategy) WithRate(rate float64) Strategy {
	if r, ok := s.Rule.(QFedAvg); ok {
		r.Rate = rate
		s.Rule = r
	}
	return s
}

// strategy makes a Strategy from the numbers behind its name.
type strategy struct {
	name    string
	numbers string // what they are, for help: "" for none
	least   int    // how many must be given
	usual   []float64
	check   func(x []float64) error
	make    func(x []float64) Strategy
}

func direct() Optimizer { return &Momentum{Rate: 1} }

func adaptive(kind string) func(x []float64) Strategy {
	return func(x []float64) Strategy {
		return Strategy{Rule: FedAvg{}, NewOptimizer: func() Optimizer {
			return &Adaptive{Kind: kind, Rate: x[0], Beta1: 0.9, Beta2: 0.99, Tau: x[1]}
		}}
	}
}

func whole(what string, least float64) func(x []float64) error {
	return func(x []float64) error {
		for _, v := range x {
			if v != math.Trunc(v) || v < least || v > 1e6 {
				return fmt.Errorf("%s is a whole number from %g", what, least)
			}
		}
		return nil
	}
}

func positive(x []float64) error {
	for _, v := range x {
		if v <= 0 {
			return fmt.Errorf("%g is not above 0", v)
		}
	}
	return nil
}

func below(limit float64) func(x []float64) error {
	return func(x []float64) error {
		for _, v := range x {
			if v < 0 || v >= limit {
				return fmt.Errorf("%g is not from 0 to below %g", v, limit)
			}
		}
		return nil
	}
}

func never([]float64) error { return nil }

// strategies are all that Parse knows. The usual rates of the adaptive ones are those that the
// paper found to be good over its tasks.
var strategies = []strategy{
	{"fedavg", "", 0, nil, never, func([]float64) Strategy { return Strategy{Rule: FedAvg{}, NewOptimizer: direct} }},
	{"fedavgm", "BETA", 0, []float64{0.9}, below(1), func(x []float64) Strategy {
		// The rate keeps the length of a step that goes on in one direction.
		return Strategy{Rule: FedAvg{}, NewOptimizer: func() Optimizer { return &Momentum{Rate: 1 - x[0], Beta: x[0]} }}
	}},
	{"fedprox", "MU", 1, nil, positive, func(x []float64) Strategy {
		return Strategy{Rule: FedAvg{}, NewOptimizer: direct, Prox: x[0]}
	}},
	{"fedadam", "RATE,TAU", 0, []float64{0.01, 0.001}, positive, adaptive("adam")},
	{"fedyogi", "RATE,TAU", 0, []float64{0.01, 0.001}, positive, adaptive("yogi")},
	{"fedadagrad", "RATE,TAU", 0, []float64{0.03, 0.001}, positive, adaptive("adagrad")},
	{"qfedavg", "Q", 1, nil, positive, func(x []float64) Strategy {
		return Strategy{Rule: QFedAvg{Q: x[0]}, NewOptimizer: direct, NeedsEach: true, NeedsLoss: true}
	}},
	{"median", "", 0, nil, never, func([]float64) Strategy {
		return Strategy{Rule: Median{}, NewOptimizer: direct, NeedsEach: true}
	}},
	{"trimmed", "PART", 1, nil, below(0.5), func(x []float64) Strategy {
		return Strategy{Rule: Trimmed{x[0]}, NewOptimizer: direct, NeedsEach: true}
	}},
	{"clip", "NORM", 0, []float64{0}, never, func(x []float64) Strategy {
		return Strategy{Rule: Clip{x[0]}, NewOptimizer: direct, NeedsEach: true}
	}},
	{"krum", "LIARS", 1, nil, whole("the number of liars", 0), func(x []float64) Strategy {
		return Strategy{Rule: Krum{Liars: int(x[0]), Keep: 1}, NewOptimizer: direct, NeedsEach: true}
	}},
	{"multikrum", "LIARS,KEEP", 1, []float64{0, 0}, whole("each", 0), func(x []float64) Strategy {
		return Strategy{Rule: Krum{Liars: int(x[0]), Keep: int(x[1])}, NewOptimizer: direct, NeedsEach: true}
	}},
	{"bulyan", "LIARS", 1, nil, whole("the number of liars", 0), func(x []float64) Strategy {
		return Strategy{Rule: Bulyan{int(x[0])}, NewOptimizer: direct, NeedsEach: true}
	}},
}

// Forms lists how strategies are written, as "trimmed:PART".
func Forms() []string {
	var out []string
	for _, s := range strategies {
		switch {
		case s.numbers == "":
			out = append(out, s.name)
		case s.least > 0:
			out = append(out, s.name+":"+s.numbers)
		default:
			out = append(out, s.name+"[:"+s.numbers+"]")
		}
	}
	return out
}

// ErrUnknown is wrapped by the error of Parse on a name that it does not know.
var ErrUnknown = errors.New("there is no strategy")

// Parse reads a strategy: a name, and where it takes numbers a colon and the numbers with commas
// between them, as "fedprox:0.01" or "multikrum:2,5". It errors on an unknown name with those that
// there are.
func Parse(text string) (Strategy, error) {
	name, rest, has := strings.Cut(text, ":")
	for _, s := range strategies {
		if s.name != name {
			continue
		}
		most := max(len(s.usual), s.least)
		numbers := append([]float64(nil), s.usual...)
		numbers = append(numbers, make([]float64, most-len(numbers))...)
		var given []string
		if has {
			given = strings.Split(rest, ",")
		}
		switch {
		case len(given) > most && most == 0:
			return Strategy{}, fmt.Errorf("%s takes no number", name)
		case len(given) > most:
			return Strategy{}, fmt.Errorf("%s takes %s, not %d numbers", name, s.numbers, len(given))
		case len(given) < s.least:
			return Strategy{}, fmt.Errorf("%s needs a number: %s:%s", name, name, s.numbers)
		}
		for i, g := range given {
			v, err := strconv.ParseFloat(g, 64)
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return Strategy{}, fmt.Errorf("%s: %q is not a number", name, g)
			}
			numbers[i] = v
		}
		if name == "clip" && has && numbers[0] <= 0 {
			return Strategy{}, fmt.Errorf("clip: the norm %g is not above 0: without a number it is the median of the round", numbers[0])
		}
		if err := s.check(numbers); err != nil {
			return Strategy{}, fmt.Errorf("%s: %w", name, err)
		}
		made := s.make(numbers)
		made.Name = text
		return made, nil
	}
	return Strategy{}, fmt.Errorf("%w %q: give one of %s", ErrUnknown, text, strings.Join(Forms(), ", "))
}
