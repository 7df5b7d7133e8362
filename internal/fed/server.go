package fed

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/fed/aggregate"
	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/fed/privacy"
	"github.com/permafrost-ml/permafrost/internal/option"
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
	Many    bool                       // clients that join without anything particular are not told of
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
	s := &Server{o: o, plan: p, pieces: o.Local.Pieces(), n: o.Local.Len(), replies: make(chan Reply, 64), failed: make(chan error, 1), asked: map[string]string{}}
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

// fits errors where the settings do not fit the model.
func (s *Server) fits() error {
	statistics := s.params < s.n
	switch {
	case s.o.Settings.Epsilon > 0 && statistics:
		return option.Errorf("batchnorm", "running statistics of the clients' examples cannot be made private: freeze them with batchnorm frozen")
	case s.plan.oneShot > 0 && (!s.o.Local.Session().HeadOnly() || !s.o.Local.Session().Net.Headed.Fresh):
		return option.Errorf("strategy", "%s describes what a new head reads: thaw the head alone", s.o.Settings.Strategy)
	case s.plan.oneShot > 0 && len(s.o.Local.Session().Train.Classes) == 0:
		return option.Errorf("strategy", "%s describes classes, and the examples have none", s.o.Settings.Strategy)
	case s.plan.part && len(s.o.Local.Units()) < 2:
		return option.Errorf("freeze_rounds", "fedpart takes the blocks that train in turn, and one alone trains: %s", strings.Join(s.o.Local.Units(), ", "))
	}
	return nil
}

// freezing makes what decides which numbers take part in a round.
func (s *Server) freezing() (err error) {
	if s.plan.apf {
		s.apf = freezing.NewAPF(s.params)
	}
	if s.plan.part {
		var groups []int
		for _, p := range s.pieces {
			groups = append(groups, slices.Repeat([]int{p.Unit}, p.Len)...)
		}
		s.part, err = freezing.NewPart(groups, s.plan.whole, s.plan.each)
	}
	return err
}

// pack completes the kit and puts it where clients find it.
func (s *Server) pack(ctx context.Context) error {
	k, l := &s.o.Kit, s.o.Local
	session := l.Session()
	k.Model, k.Feed, k.Task = session.Base.Model.Digest(), FeedOf(session), session.Task.Name()
	k.Classes, k.Standard, k.Place = session.Train.Classes, session.Net.Norm, session.Place
	k.Layout, k.Start, k.Seed, k.Epochs = layoutOf(l), digestOf(floats(l.Weights())), session.Config.Seed, session.Config.Epochs
	k.Compress, k.Prox, k.Statistics, k.Components = s.o.Settings.Compress, s.plan.strategy.Prox, s.o.Settings.Statistics, s.plan.oneShot
	if s.o.Settings.Epsilon > 0 {
		k.Clip, k.Seeded = s.o.Settings.ClipNorm, s.o.Settings.Seeded
		if s.o.Settings.LocalDP {
			k.Noise = s.st.Noise * k.Clip
		}
	}
	if s.o.Settings.Secure {
		k.Limit = s.o.Settings.Limit
	}
	b, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if s.st.Kit != "" && s.st.Kit != digestOf(b) {
		return option.Errorf("resume", "the federation in %s was of another model, plan or other options: give those that it began with, or another folder", s.o.Dir.Path)
	}
	s.st.Kit = digestOf(b)
	if s.kit, err = s.put(ctx, b); err != nil {
		return err
	}
	if s.st.Version > 0 {
		s.st.Full, err = s.put(ctx, floats(s.st.known))
	}
	return err
}

func (s *Server) put(ctx context.Context, b []byte) (Blob, error) {
	d, err := s.o.Carrier.Put(ctx, b)
	return Blob{Digest: d, Size: len(b)}, err
}

// goOn takes up the state in the folder.
func (s *Server) goOn() error {
	path := s.o.Dir.File(StateFile)
	st, err := loadState(path)
	if err != nil || st == nil {
		return err
	}
	settings := st.Settings
	settings.Rounds, settings.Deadline, settings.Wait = s.o.Settings.Rounds, s.o.Settings.Deadline, s.o.Settings.Wait // may change
	if s.o.Settings.Epsilon > 0 {
		settings.Rounds = st.Settings.Rounds // the noise was made for them
	}
	switch {
	case settings != s.o.Settings:
		return option.Errorf("resume", "the federation in %s has other options: give those that it began with, or another folder", s.o.Dir.Path)
	case len(st.weights) != s.n:
		return option.Errorf("resume", "the federation in %s thaws %d numbers, this one %d: give the plan that it began with", s.o.Dir.Path, len(st.weights), s.n)
	}
	st.Steps, st.Settings = nil, s.o.Settings // their bytes may be gone
	s.st = st
	of := func(prefix string) map[string][]float32 {
		out := map[string][]float32{}
		for name, x := range st.memory {
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				out[rest] = x
			}
		}
		return out
	}
	if err := s.optimizer.Restore(of("optimizer/")); err != nil {
		return err
	}
	if s.apf != nil && st.Round > 0 {
		if err := s.apf.Restore(of("apf/")); err != nil {
			return err
		}
	}
	if s.o.Settings.Epsilon > 0 && len(st.Records) > 0 {
		return s.accountant.Add(s.mechanism(), len(st.Records))
	}
	return nil
}

// mechanism is what a round does for privacy.
func (s *Server) mechanism() privacy.Mechanism {
	m := s.o.Settings.mechanism()
	m.Noise = s.st.Noise
	return m
}

// save writes the state, where there is a folder.
func (s *Server) save() error {
	if s.o.Dir == nil {
		return nil
	}
	s.st.memory = map[string][]float32{}
	for name, x := range s.optimizer.State() {
		s.st.memory["optimizer/"+name] = x
	}
	if s.apf != nil {
		for name, x := range s.apf.State() {
			s.st.memory["apf/"+name] = x
		}
	}
	return s.st.save(s.o.Dir.File(StateFile))
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
	return fmt.Errorf("round %d failed %d times: %s; what was learned before it is kept, and option resume goes on", s.st.Round+1, attempts, strings.Join(problems, "; "))
}

// tooFew says that a round cannot be made of the answers that came.
type tooFew struct{ error }

func few(format string, args ...any) error { return &tooFew{fmt.Errorf(format, args...)} }

func roundName(round int) string { return fmt.Sprintf("r%05d-", round) }

// gather waits until enough clients are there and have joined, and gives their names in order.
func (s *Server) gather(ctx context.Context) ([]string, error) {
	end := time.Now().Add(time.Duration(s.o.Settings.Wait))
	told := false
	for {
		there, err := s.o.Carrier.Present(ctx)
		if err != nil {
			return nil, err
		}
		for name := range s.st.Refused {
			if !slices.Contains(there, name) {
				delete(s.asked, name) // it may come again, mended
			}
		}
		var members []string
		waiting := false
		for _, name := range there {
			if s.st.Members[name] != nil {
				members = append(members, name)
				continue
			}
			if s.asked[name] != "" {
				waiting = waiting || s.st.Refused[name] == ""
				continue
			}
			s.asked[name] = joining + rand.Text()[:8]
			if s.o.Allowed != nil && !slices.Contains(s.o.Allowed, name) {
				if err := s.refuse(ctx, name, "its name is not among those that the server was given"); err != nil {
					return nil, err
				}
				continue
			}
			delete(s.st.Refused, name)
			waiting = true
			if err := s.ask(ctx, name, s.asked[name], &Task{Kind: Join, Counted: -1}); err != nil {
				return nil, err
			}
		}
		// Those that are about to join may still make the first round.
		if len(members) >= s.o.Settings.MinClients && (!waiting || s.st.Round > 0 || time.Now().After(end)) {
			slices.Sort(members)
			return members, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%d of the %d clients that a round needs have come within %v: start others, or lower option min_clients; option resume goes on", len(members), s.o.Settings.MinClients, time.Duration(s.o.Settings.Wait))
		}
		if !told && !waiting {
			s.o.Tell(fmt.Sprintf("waits for clients: %d of %d are there, until %s", len(members), s.o.Settings.MinClients, end.Format("15:04:05")))
			told = true
		}
		pause, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		err = s.await(pause, func() bool { return waiting && !s.undecided(there) }, nil)
		cancel()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// undecided reports whether any client that was asked to join has neither joined nor been refused.
func (s *Server) undecided(there []string) bool {
	return slices.ContainsFunc(there, func(name string) bool {
		return s.asked[name] != "" && s.st.Members[name] == nil && s.st.Refused[name] == ""
	})
}

// ask gives a client a task.
func (s *Server) ask(ctx context.Context, client, id string, t *Task) error {
	t.Federation, t.Kit, t.Round = s.st.ID, s.kit, s.st.Round
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return s.o.Carrier.Ask(ctx, client, id, b)
}

// await takes answers until enough says so, or ctx ends; it returns ctx's error then. Answers to Join
// are heeded whenever they come, the others are given to take.
func (s *Server) await(ctx context.Context, enough func() bool, take func(r Reply)) error {
	for !enough() {
		select {
		case r := <-s.replies:
			if strings.HasPrefix(r.ID, joining) {
				if err := s.joined(ctx, r); err != nil {
					return err
				}
			} else if take != nil {
				take(r)
			}
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// joining begins the id of a task to join. The rest is different each time, as a client that was
// refused may be mended.
const joining = "join-"

// joined takes an answer to Join. It errors where the carrier fails.
func (s *Server) joined(ctx context.Context, r Reply) error {
	if s.st.Members[r.Client] != nil || s.asked[r.Client] != r.ID {
		return nil
	}
	if r.Lost != "" {
		delete(s.asked, r.Client) // it may come again
		s.o.Tell(fmt.Sprintf("client %s did not join: %s", r.Client, r.Lost))
		return nil
	}
	a, err := unpack(r.Body)
	switch {
	case err != nil:
		return s.refuse(ctx, r.Client, err.Error())
	case a.Refused != "":
		s.refused(r.Client, a.Refused) // it knows
		return nil
	case a.Layout != s.o.Kit.Layout:
		return s.refuse(ctx, r.Client, "its plan is another")
	case a.Examples <= 0 || a.From < 0 || a.From >= len(s.o.Local.Units()):
		return s.refuse(ctx, r.Client, fmt.Sprintf("it says that it has %d examples and trains from unit %d on", a.Examples, a.From))
	case a.From > 0 && s.o.Settings.Secure:
		return s.refuse(ctx, r.Client, "it can afford only a part of what trains, and in a secure sum all clients train the same weights")
	}
	s.st.Members[r.Client] = &member{Examples: a.Examples, From: a.From, Why: a.Why, Counted: -1, Base: a.Base}
	s.o.Events.Emit(&report.ClientEvent{Client: r.Client, Examples: a.Examples, From: a.From, Why: a.Why, Base: a.Base})
	text := fmt.Sprintf("client %s has joined with %d examples", r.Client, a.Examples)
	if a.From > 0 {
		text += fmt.Sprintf(" and trains from %s on: %s", s.o.Local.Units()[a.From], a.Why)
	}
	if !s.o.Many || a.From > 0 {
		s.o.Tell(text)
	}
	return nil
}

// refuse tells a client that it cannot take part.
func (s *Server) refuse(ctx context.Context, client, why string) error {
	s.refused(client, why)
	return s.o.Carrier.Dismiss(ctx, client, why)
}

// refused records that a client cannot take part.
func (s *Server) refused(client, why string) {
	s.st.Refused[client] = why
	s.o.Events.Emit(&report.ClientEvent{Client: client, Refused: why})
	s.o.Tell(fmt.Sprintf("client %s is refused: %s", client, why))
}

// finish writes the model.
func (s *Server) finish(ctx context.Context) (*Outcome, error) {
	out := &Outcome{Records: s.st.Records, Members: map[string]Member{}, Refused: s.st.Refused}
	weights := s.st.weights
	if out.BestRound = s.written(); out.BestRound < len(s.st.Records) {
		weights = s.st.best
	}
	var err error
	if out.Val, err = s.validate(ctx, weights); err != nil {
		return nil, err
	}
	for name, m := range s.st.Members {
		out.Members[name] = Member{Examples: m.Examples, Rounds: m.Rounds, From: m.From, Why: m.Why, Base: m.Base}
		out.Base += m.Base
	}
	if s.o.Dir != nil {
		out.Bytes, err = s.o.Local.Write(s.o.Dir)
	}
	return out, err
}

// written is the round whose weights are written, from 1; 0 before the first.
func (s *Server) written() int {
	if s.o.Local.Session().Config.Keep == "best" && s.st.best != nil {
		return s.st.Best
	}
	return len(s.st.Records)
}

// validate measures weights on the server's examples.
func (s *Server) validate(ctx context.Context, weights []float32) (*task.Metrics, error) {
	if err := s.o.Local.SetWeights(settled(s.pieces, weights)); err != nil {
		return nil, err
	}
	return s.o.Local.Validate(ctx)
}

// settled is x with its variances at 0 or above: what compression and noise add may carry them below.
func settled(pieces []run.Piece, x []float32) []float32 {
	at, copied := 0, false
	for _, p := range pieces {
		for i := at; p.Positive && i < at+p.Len; i++ {
			if x[i] < 0 {
				if !copied {
					x, copied = slices.Clone(x), true
				}
				x[i] = 0
			}
		}
		at += p.Len
	}
	return x
}
