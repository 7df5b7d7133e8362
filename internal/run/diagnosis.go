package run

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/diagnose"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// diagnose reports likely problems of this fit.
func (f *loop) diagnose() *report.Diagnosis {
	s := diagnose.Symptoms{History: f.st.History, Kept: f.keptEpoch(), Augment: f.session.Config.Augment != "none"}
	s.Altered = s.Augment || f.session.Config.Mixup > 0
	s.Trained = diagnose.Depth{Fresh: f.session.Net.Headed.Fresh, Blocks: f.session.Net.Set.Blocks, Adapter: f.session.Config.Adapter}
	if f.final != nil && s.Kept >= 0 { // the written weights belong to no epoch
		s.History = slices.Clone(s.History)
		s.History[s.Kept].Val = f.final
	}
	lowest, whole := len(f.session.Net.Set.Blocks), false
	f.session.Plans.Ever.Thawed(f.session.Net.Set).Each(func(w *freeze.Weight, _ freeze.Entry) {
		if w.Block >= 0 && !w.Head {
			lowest = min(lowest, w.Block)
			whole = whole || w.Role == freeze.RoleWeight || w.Role == freeze.RoleEmbedding
		}
	})
	s.Trained.Thawed = len(f.session.Net.Set.Blocks) - lowest
	s.Trained.Parts = s.Trained.Thawed > 0 && !whole
	return diagnose.Fit(s)
}
