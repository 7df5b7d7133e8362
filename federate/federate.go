// Package federate tunes a model over many clients whose examples stay where they are: only thawed
// weights travel.
//
//	cfg := permafrost.DefaultConfig()
//	cfg.Model, cfg.Data, cfg.Val, cfg.Out = "model.onnx", "photos/train", "photos/val", "tuned"
//	result, err := federate.Simulate(ctx, cfg, federate.Options{Rounds: 20}, federate.Clients{Number: 10})
//
// Serve makes the rounds of a real federation, and Join takes part in one. Simulate has many clients
// in one process, with the same code between them. The folder of a federation is a run like that of a
// fit: the tuned model, its delta, plan, seal and events.
//
// The package stands beside package permafrost, so that a program which only tunes or predicts does
// not contain it.
package federate

import (
	"cmp"
	"time"

	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// Options say how a federation goes on. The zero value of each is its default.
type Options struct {
	// Rounds is how often clients train and send what changed. Default: 20.
	Rounds int
	// MinClients is how many clients a round needs at least. Default: 2, and 3 with Secure.
	MinClients int
	// Fraction is the share of the clients that are there which takes part in a round, drawn by seed.
	// Default: all.
	Fraction float64
	// Strategy says how the server combines changes: one of Strategies. Default: fedavg.
	Strategy string
	// Compress is how weights travel, in both directions: none, fp16, int8 or topk:P. Default: none.
	Compress string
	// FreezeRounds is what takes part in a round: apf lets weights that have settled sleep,
	// fedpart[:WHOLE,EACH] trains the blocks in turn. Default: all that the plan thaws.
	FreezeRounds string
	// Statistics of thawed batch normalisations are averaged (shared, the default), or stay with each
	// client (local): the tuned model then has the pretrained ones.
	Statistics string
	// Secure hides every client's change: the server learns their sum alone.
	Secure bool
	// SecureLimit is the largest change of one number in a secure sum. Default: 16.
	SecureLimit float64
	// Epsilon and Delta bound what all rounds together give away of any client: differential privacy.
	// Default: none; Delta 1e-5.
	Epsilon, Delta float64
	// ClipNorm is the length to which a client's change is clipped, with Epsilon. Default: 1.
	ClipNorm float64
	// LocalNoise lets every client add the noise to its own change, so that it need not trust the
	// server. It takes far more noise.
	LocalNoise bool
	// MaxNorm rejects changes that are longer. Default: those a thousand times as long as the median.
	MaxNorm float64
	// Deadline is how long a step of a round waits for clients, Wait how long the server waits until
	// enough of them are there. Default: 10 minutes each.
	Deadline, Wait time.Duration
	// Resume goes on with the federation in Config.Out. All else must be as it was, but Rounds (without
	// Epsilon), MinClients, Deadline and Wait.
	Resume bool

	// OnNote is called with remarks on what was guessed and on what happens; nil for none.
	OnNote func(string)
	// OnRound is called after each round; nil for none.
	OnRound func(Round)
}

// Strategies lists how Options.Strategy is written.
func Strategies() []string { return fed.Forms() }

// settings are the options with their defaults.
func (o *Options) settings() fed.Settings {
	s := fed.Defaults()
	s.Rounds, s.MinClients = cmp.Or(o.Rounds, s.Rounds), cmp.Or(o.MinClients, s.MinClients)
	s.Fraction, s.Strategy, s.Compress = cmp.Or(o.Fraction, s.Fraction), cmp.Or(o.Strategy, s.Strategy), cmp.Or(o.Compress, s.Compress)
	s.Freeze, s.Statistics, s.Secure, s.Limit = o.FreezeRounds, cmp.Or(o.Statistics, s.Statistics), o.Secure, cmp.Or(o.SecureLimit, s.Limit)
	s.Epsilon, s.Delta, s.ClipNorm, s.LocalDP = o.Epsilon, cmp.Or(o.Delta, s.Delta), cmp.Or(o.ClipNorm, s.ClipNorm), o.LocalNoise
	s.MaxNorm, s.Deadline, s.Wait = o.MaxNorm, cmp.Or(fed.Span(o.Deadline), s.Deadline), cmp.Or(fed.Span(o.Wait), s.Wait)
	if o.Secure && o.MinClients == 0 {
		s.MinClients = 3
	}
	if s.OneShot() {
		s.Rounds = 1
	}
	return s
}

// note calls OnNote.
func (o *Options) note(texts ...string) {
	for _, t := range texts {
		if o.OnNote != nil {
			o.OnNote(t)
		}
	}
}

// noted is a function that gets the notes of a stream of events.
type noted func(texts ...string)

func (f noted) Emit(_ time.Time, e report.Event) {
	if w, ok := e.(*report.Warning); ok {
		f(w.Message)
	}
}
