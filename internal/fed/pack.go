package fed

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/option"
)

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
