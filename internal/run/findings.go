package run

import (
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Findings are what earlier runs found out about the session's model. They are nil where runs share
// no cache.
func (s *Session) Findings() *keep.Findings {
	return keep.FindingsOf(s.Cache, s.Base.Model.Digest(), s.KeepOptions().Model)
}

// Subject is what a finding about a network and its examples depends on, beside the model's file.
type Subject struct {
	Options  config.Config
	Task     string
	Names    []string // of the scores
	Sides    string
	Pipeline split.Digest
	Examples []split.Digest
	More     any
}

// SubjectOf describes a network with some options. It is false where what the network depends on has
// no digest: an adapter may come from files.
func (s *Session) SubjectOf(cfg config.Config, examples []split.Digest, more any) (*Subject, bool) {
	if cfg.Adapter != "" {
		return nil, false
	}
	return &Subject{cfg.Network(), s.Task.Name(), s.Task.Names(), s.Base.Sides, s.Base.Feed.Digest(), examples, more}, true
}

// digestsOf are the digests of some examples.
func digestsOf(d *data.Dataset, indices ...int) ([]split.Digest, error) {
	var out []split.Digest
	for _, i := range indices {
		sum, err := d.Digest(i)
		if err != nil {
			return nil, err
		}
		out = append(out, sum)
	}
	return out, nil
}
