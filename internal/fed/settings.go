package fed

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/fed/aggregate"
	"github.com/permafrost-ml/permafrost/internal/fed/compress"
	"github.com/permafrost-ml/permafrost/internal/fed/privacy"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// Settings say how a federation goes on. The options of training are in a config.Config, whose
// Epochs are the passes of a client in a round.
type Settings struct {
	Rounds     int     `json:"rounds"`
	MinClients int     `json:"min_clients"` // that a round needs; the first one waits for them
	Fraction   float64 `json:"fraction"`    // of the clients that take part in a round, drawn by seed; 1: all that are there
	Strategy   string  `json:"strategy"`
	Compress   string  `json:"compress"`
	Freeze     string  `json:"freeze_rounds"` // "", apf, or fedpart[:WHOLE,EACH]
	Statistics string  `json:"statistics"`    // running statistics of thawed layers: shared or local
	Secure     bool    `json:"secure"`

	Epsilon  float64 `json:"dp_epsilon"`   // 0: no differential privacy
	Delta    float64 `json:"dp_delta"`     // with Epsilon
	ClipNorm float64 `json:"dp_clip"`      // length to which a client's change is clipped, with Epsilon
	LocalDP  bool    `json:"dp_local"`     // every client adds the noise to its own change
	MaxNorm  float64 `json:"max_norm"`     // a longer change is rejected; 0: one of a thousand times the median
	Deadline Span    `json:"deadline"`     // of a step of a round
	Wait     Span    `json:"wait"`         // for clients, without which no round can begin
	Limit    float64 `json:"secure_limit"` // the largest change of a number, with Secure

	// Seeded draws the noise of privacy from the run's seed, so that it protects nobody: for
	// simulations.
	Seeded bool `json:"seeded_noise"`
}

// Span is a time span whose JSON form is text, as "10m0s".
type Span time.Duration

// MarshalText writes it.
func (s Span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// UnmarshalText reads it.
func (s *Span) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	*s = Span(d)
	return err
}

// Defaults are the settings without any wish.
func Defaults() Settings {
	return Settings{Rounds: 20, MinClients: 2, Fraction: 1, Strategy: "fedavg", Compress: "none", Statistics: "shared", Delta: 1e-5, ClipNorm: 1, Deadline: Span(10 * time.Minute), Wait: Span(10 * time.Minute), Limit: 16}
}

// plan is what the texts of the settings mean.
type plan struct {
	strategy aggregate.Strategy
	oneShot  int // components of the mixtures of a one-shot federation; 0: it is none
	scheme   compress.Scheme
	apf      bool
	part     bool
	whole    int
	each     int
}

// oneShotName is the strategy of package mixture.
const oneShotName = "fedpft"

// Forms lists how strategies are written.
func Forms() []string { return append(aggregate.Forms(), oneShotName+"[:COMPONENTS]") }

// FreezeForms lists how Settings.Freeze is written.
var FreezeForms = []string{"apf", "fedpart[:WHOLE,EACH]"}

// Check errors where settings mean nothing, or exclude each other.
func (s *Settings) Check() error {
	if _, err := s.parse(); err != nil {
		return err
	}
	_, err := s.noise()
	return err
}

// Needs is how many clients a round takes at least: those of MinClients, or more where the strategy
// takes more. The settings have been checked.
func (s *Settings) Needs() int {
	p, err := s.parse()
	if err != nil {
		return s.MinClients
	}
	return max(s.MinClients, p.strategy.Rule.Needs())
}

// Idle says which settings do nothing, as the ones that they belong to are off.
func (s *Settings) Idle() (notes []string) {
	d := Defaults()
	for _, o := range []struct {
		name, without string
		value         float64
		idle          bool
	}{
		{"dp_delta", "dp_epsilon", s.Delta, s.Epsilon == 0 && s.Delta != d.Delta},
		{"dp_clip", "dp_epsilon", s.ClipNorm, s.Epsilon == 0 && s.ClipNorm != d.ClipNorm},
		{"secure_limit", "secure", s.Limit, !s.Secure && s.Limit != d.Limit},
	} {
		if o.idle {
			notes = append(notes, fmt.Sprintf("option %s %g does nothing without option %s", o.name, o.value, o.without))
		}
	}
	return notes
}

func (s *Settings) parse() (p plan, err error) {
	switch {
	case s.Rounds < 1:
		return p, option.Errorf("rounds", "%d: want 1 or more", s.Rounds)
	case s.MinClients < 1:
		return p, option.Errorf("min_clients", "%d: want 1 or more", s.MinClients)
	case !(s.Fraction > 0 && s.Fraction <= 1):
		return p, option.Errorf("fraction", "%g: the share of the clients that take part in a round is above 0 and up to 1", s.Fraction)
	case s.Deadline <= 0:
		return p, option.Errorf("deadline", "%v: want a time above 0", time.Duration(s.Deadline))
	case s.Wait <= 0:
		return p, option.Errorf("wait", "%v: want a time above 0", time.Duration(s.Wait))
	case s.Statistics != "shared" && s.Statistics != "local":
		return p, option.Errorf("statistics", "%q: want shared or local", s.Statistics)
	case !(s.MaxNorm >= 0 && s.MaxNorm <= math.MaxFloat64):
		return p, option.Errorf("max_norm", "%g: want a number of 0 or more", s.MaxNorm)
	case !(s.Limit > 0 && s.Limit <= math.MaxFloat64):
		return p, option.Errorf("secure_limit", "%g: want a number above 0", s.Limit)
	case !(s.ClipNorm > 0 && s.ClipNorm <= math.MaxFloat64):
		return p, option.Errorf("dp_clip", "%g: want a number above 0", s.ClipNorm)
	case !(s.Delta > 0 && s.Delta < 1):
		return p, option.Errorf("dp_delta", "%g: want a number between 0 and 1", s.Delta)
	case !(s.Epsilon >= 0 && s.Epsilon <= math.MaxFloat64):
		return p, option.Errorf("dp_epsilon", "%g: want a number above 0", s.Epsilon)
	}
	if rest, ok := strings.CutPrefix(s.Strategy, oneShotName); ok && (rest == "" || rest[0] == ':') {
		p.oneShot = 3
		if rest != "" {
			if p.oneShot, err = strconv.Atoi(rest[1:]); err != nil || p.oneShot < 1 || p.oneShot > 1000 {
				return p, option.Errorf("strategy", "%s: the number of components is a whole number from 1 to 1000", s.Strategy)
			}
		}
		p.strategy, _ = aggregate.Parse("fedavg")
	} else if p.strategy, err = aggregate.Parse(s.Strategy); err != nil {
		if errors.Is(err, aggregate.ErrUnknown) {
			err = fmt.Errorf("%w, %s[:COMPONENTS]", err, oneShotName)
		}
		return p, option.Errorf("strategy", "%w", err)
	}
	if p.scheme, err = compress.Parse(s.Compress); err != nil {
		return p, option.Errorf("compress", "%w", err)
	}
	switch rest, part := strings.CutPrefix(s.Freeze, "fedpart"); {
	case s.Freeze == "":
	case s.Freeze == "apf":
		p.apf = true
	case part && (rest == "" || rest[0] == ':'):
		p.part, p.whole, p.each = true, 2, 1
		if rest != "" {
			if n, err := fmt.Sscanf(rest, ":%d,%d", &p.whole, &p.each); n != 2 || err != nil || p.whole < 0 || p.each < 1 || rest != fmt.Sprintf(":%d,%d", p.whole, p.each) {
				return p, option.Errorf("freeze_rounds", "%s: want fedpart:WHOLE,EACH, rounds of everything and rounds of each block", s.Freeze)
			}
		}
	default:
		return p, option.Errorf("freeze_rounds", "there is no %q: give one of %s", s.Freeze, strings.Join(FreezeForms, ", "))
	}
	return p, s.exclusions(&p)
}

// exclusions errors where one setting makes another impossible.
func (s *Settings) exclusions(p *plan) error {
	lossy := s.Compress != "none"
	private := s.Epsilon != 0
	switch {
	case p.oneShot > 0 && (lossy || s.Freeze != "" || s.Secure || private):
		return option.Errorf("strategy", "%s sends a description of the features once, which can be neither compressed, frozen, summed in secret nor made private: leave the other options out", s.Strategy)
	case s.Secure && p.strategy.NeedsEach:
		return option.Errorf("secure", "%s compares the changes of the clients with each other, and secure aggregation shows the server their sum alone: give one of the two", s.Strategy)
	case s.Secure && lossy:
		return option.Errorf("secure", "each client would send other numbers with compress %s, and masks vanish only in sums of the same ones: give one of the two", s.Compress)
	case s.Secure && s.MaxNorm > 0:
		return option.Errorf("secure", "the server sees no single change whose length it could check: leave option max_norm out")
	case s.Secure && s.MinClients < 3:
		return option.Errorf("min_clients", "%d: secure aggregation hides a client among others, and needs 3 or more", s.MinClients)
	case s.Secure && s.LocalDP:
		return option.Errorf("secure", "with noise of each client's own its change is hidden already: give one of secure and dp_local")
	}
	if !private {
		if s.LocalDP {
			return option.Errorf("dp_local", "it needs option dp_epsilon")
		}
		return nil
	}
	switch {
	case p.strategy.NeedsEach:
		return option.Errorf("dp_epsilon", "the noise is counted for the mean of the clients' changes, not for %s", s.Strategy)
	case lossy:
		return option.Errorf("dp_epsilon", "what compress %s loses comes back in later rounds, in which one client then counts more than once: leave it out", s.Compress)
	case p.apf:
		return option.Errorf("dp_epsilon", "with apf what is sent depends on what was sent before, which is not counted: leave it out")
	}
	return nil
}

// mechanism is what every round does for privacy, without its noise.
func (s *Settings) mechanism() privacy.Mechanism {
	m := privacy.Mechanism{Sampling: privacy.Poisson, Rate: s.Fraction, Local: s.LocalDP}
	if s.Fraction == 1 || s.LocalDP {
		m.Sampling, m.Rate = privacy.Fixed, 0
	}
	return m
}

// noise is the deviation of the noise, in units of ClipNorm, with which all rounds stay within
// Epsilon and Delta.
func (s *Settings) noise() (float64, error) {
	if s.Epsilon == 0 {
		return 0, nil
	}
	z, err := privacy.NoiseFor(s.mechanism(), s.Rounds, s.Epsilon, s.Delta)
	if err != nil {
		return 0, option.Errorf("dp_epsilon", "%w", err)
	}
	return z, nil
}

// hidden reports whether clients hide their changes from the server: the loss and the accuracy of
// their examples stay with them too.
func (s *Settings) hidden() bool { return s.Secure || s.LocalDP }

// OneShot reports whether clients describe their features once instead of training.
func (s *Settings) OneShot() bool {
	p, err := s.parse()
	return err == nil && p.oneShot > 0
}
