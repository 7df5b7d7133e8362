package run

import (
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/diagnose"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// diagnose reports likely problems of this fit.
func (f *loop) diagnose() *report.Diagnosis {
	c := &f.session.Config
	s := diagnose.Symptoms{History: f.st.History, Kept: f.keptEpoch(), Augment: c.Augment != "none", Calibrated: len(f.st.Temperatures) > 0, Before: f.st.BeforeLoss, Trained: f.session.depth()}
	s.Altered = s.Augment || c.Mixup > 0
	s.Augmentable = f.session.augmentable()
	if f.final != nil && s.Kept >= 0 { // the written weights belong to no epoch
		s.History = slices.Clone(s.History)
		s.History[s.Kept].Val = f.final
	}
	return diagnose.Fit(s)
}

// augmentable reports whether option augment takes examples of this kind.
func (s *Session) augmentable() bool {
	return s.Pictures() || s.Base.Feed.Kind() == feed.KindSound
}

// Pictures reports whether the examples are pictures.
func (s *Session) Pictures() bool { return s.Base.Feed.Kind() == feed.KindPicture }

// depth says how much of the model trained in any stage.
func (s *Session) depth() diagnose.Depth {
	set, ever := s.Net.Set, s.Plans.Ever
	thawed := ever.Thawed(set)
	d := diagnose.Depth{Fresh: s.Net.Headed.Fresh, Blocks: set.Blocks, Adapter: s.Config.Adapter, Thaw: strings.Join(s.Config.Thaw, ","),
		Share: float64(thawed.Elements()) / float64(max(1, set.Elements()))}
	if len(s.Config.Freeze) > 0 {
		d.Thaw += " and option freeze " + strings.Join(s.Config.Freeze, ",")
	}
	lowest := len(set.Blocks)
	thawed.Each(func(w *freeze.Weight, _ freeze.Entry) {
		if w.Head || w.Role == freeze.RoleAdapter {
			return
		}
		d.Trunk = true
		if w.Block >= 0 {
			lowest = min(lowest, w.Block)
		}
	})
	d.Thawed = len(set.Blocks) - lowest
	for _, w := range set.Weights {
		below := w.Block < lowest && (w.Block >= 0 || lowest > 0) // frozen as a whole
		if !w.Head && w.Role.Trains() && w.Role != freeze.RoleAdapter && !below && ever.Of(w.Name).State != freeze.Thaw {
			d.Parts = d.Trunk
		}
	}
	if d.Trunk && d.Thawed == 0 && len(set.Blocks) > 0 { // outside of the blocks only
		d.Parts = true
	}
	return d
}
