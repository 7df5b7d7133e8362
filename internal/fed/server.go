package fed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/fed/aggregate"
	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/fed/privacy"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// ServerOptions are those of a server.
type ServerOptions struct {
	// Local has the model before the first round, and the server's own examples for validation.
	Local    *run.Local
	Settings Settings
	// Kit has what the caller knows of it: Options, Files and Name. The server fills in the rest.
	Kit     Kit
	Carrier Carrier
	ID      string                     // of the federation; another one for each
	Dir     *run.RunDir                // nil: nothing is written
	Resume  bool                       // go on with what Dir holds
	Allowed []string                   // the clients that may join; nil: any
	Events  *report.Events             // nil: none
	Notes   []string                   // what was guessed, for the log
	World   string                     // what is simulated, in words; empty: nothing is
	Tell    func(string)               // is given lines for a person; nil: none
	Many    bool                       // clients that join without anything particular, and those that are silent, are not told of
	Closed  bool                       // nobody comes but those who are there at the start
	Ended   func(r *report.RoundEvent) // is told each round; nil: none
	LRs     func(int) float64          // the clients' learning rate by round
}

// Server makes the rounds of a federation. It is for one goroutine.
type Server struct {
	o         ServerOptions
	plan      plan
	pieces    []run.Piece
	n, params int // numbers of the vector, and those before its statistics
	kit       Blob
	st        *state

	optimizer  aggregate.Optimizer
	apf        *freezing.APF
	part       *freezing.Part
	accountant privacy.Accountant

	first int           // rounds that processes before this one made
	val   *task.Metrics // of the last round

	replies chan Reply
	failed  chan error
	asked   map[string]string // clients that were asked to join, and the ids of these tasks
	silent  map[string]string // clients whose last answer did not come, and why
}

// Outcome is what a federation came to.
type Outcome struct {
	Records   []report.RoundEvent
	Members   map[string]Member
	Refused   map[string]string
	Val       *task.Metrics // of the weights that were written
	BestRound int           // whose weights were written, from 1; 0: those before the first
	Base      int64         // bytes of the model that clients were sent
	Bytes     int64         // of the model that was written
}

// Member is a client that took part.
type Member struct {
	Examples int    `json:"examples"`
	Rounds   int    `json:"rounds"`
	From     int    `json:"from,omitempty"`
	Why      string `json:"why,omitempty"`
	Base     int64  `json:"bytes_base_model,omitempty"`
}

// NewServer prepares a federation, or goes on with one. It errors where the settings do not fit the
// model, or a federation that goes on has other ones.
func NewServer(ctx context.Context, o ServerOptions) (*Server, error) {
	p, err := o.Settings.parse()
	if err != nil {
		return nil, err
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	s := &Server{o: o, plan: p, pieces: o.Local.Pieces(), n: o.Local.Len(), replies: make(chan Reply, 64), failed: make(chan error, 1), asked: map[string]string{}, silent: map[string]string{}}
	for _, p := range s.pieces {
		if !p.Statistic {
			s.params += p.Len
		}
	}
	if err := s.fits(); err != nil {
		return nil, err
	}
	s.plan.strategy = p.strategy.WithRate(o.LRs(0))
	s.optimizer = s.plan.strategy.NewOptimizer()
	if err := s.freezing(); err != nil {
		return nil, err
	}
	noise, err := o.Settings.noise()
	if err != nil {
		return nil, err
	}
	s.st = &state{ID: o.ID, Settings: o.Settings, Members: map[string]*member{}, Refused: map[string]string{}, Noise: noise, weights: o.Local.Weights(), memory: map[string][]float32{}}
	s.st.known = slices.Clone(s.st.weights)
	if o.Resume {
		if err := s.goOn(); err != nil {
			return nil, err
		}
	}
	if err := s.pack(ctx); err != nil {
		return nil, err
	}
	o.Local.Seal()
	return s, nil
}

// mechanism is what a round does for privacy.
func (s *Server) mechanism() privacy.Mechanism {
	m := s.o.Settings.mechanism()
	m.Noise = s.st.Noise
	return m
}

// Run makes all rounds that are left, and writes the model. When ctx ends it returns ctx's error: the
// rounds that were made stay, and a later Server goes on with them.
func (s *Server) Run(ctx context.Context) (out *Outcome, err error) {
	began := time.Now()
	s.first = len(s.st.Records)
	if err := s.announce(); err != nil {
		return nil, err
	}
	defer func() { s.end(out, err, began) }()
	reading, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	defer func() { stop(); <-done }()
	go func() {
		defer close(done)
		s.read(reading)
	}()
	if s.st.Round == 0 && len(s.st.Records) == 0 {
		if err := s.save(); err != nil {
			return nil, err
		}
	}
	for s.st.Round < s.o.Settings.Rounds {
		if err := s.roundOf(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, err
		}
	}
	return s.finish(ctx)
}

// read hands answers on until ctx ends.
func (s *Server) read(ctx context.Context) {
	for {
		r, err := s.o.Carrier.Next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.failed <- err
			}
			return
		}
		select {
		case s.replies <- r:
		case <-ctx.Done():
			return
		}
	}
}

// roundOf makes the next round, in several attempts where it must be.
func (s *Server) roundOf(ctx context.Context) error {
	const attempts = 3
	var problems []string
	for attempt := 1; attempt <= attempts; attempt++ {
		there, err := s.gather(ctx)
		if err != nil {
			return err
		}
		r := &report.RoundEvent{Round: s.st.Round + 1, Attempt: attempt, Numbers: s.n}
		began := time.Now()
		err = s.round(ctx, r, there)
		var few *tooFew
		if errors.As(err, &few) {
			problems = append(problems, few.Error())
			text := fmt.Sprintf("round %d, attempt %d: %v", r.Round, attempt, few)
			s.o.Tell(text)
			s.o.Events.Emit(&report.Warning{Message: text})
			continue
		}
		if err != nil {
			return err
		}
		r.Seconds = time.Since(began).Seconds()
		s.st.Records = append(s.st.Records, *r)
		s.st.Round++
		s.ended(r) // before it is saved: a round that is lost is made again, and its later lines count
		if err := s.save(); err != nil {
			return err
		}
		if s.o.Ended != nil {
			s.o.Ended(r)
		}
		return s.o.Carrier.Forget(ctx, roundName(r.Round-1))
	}
	return fmt.Errorf("round %d failed %d times: %s%s", s.st.Round+1, attempts, strings.Join(slices.Compact(problems), "; "), s.goesOn())
}

// tooFew says that a round cannot be made of the answers that came.
type tooFew struct{ error }

func few(format string, args ...any) error { return &tooFew{fmt.Errorf(format, args...)} }

func roundName(round int) string { return fmt.Sprintf("r%05d-", round) }
