package keep

import (
	"context"
	"time"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Summary says what is kept, and where its values came from.
type Summary struct {
	Where           string // off, ram or disk
	Values          int    // per example
	BytesPerExample int64
	Bytes           int64    // total
	At              []string // names of the kept values, if they are not the frontier
	// examples that were kept, computed from earlier values, or computed from the data
	Hits, Near, Misses int
	Seconds            float64
}

// Encoders provide the examples of a fit at the frontier.
type Encoders struct{ Train, Val *Encoder }

// Open decides where frozen values come from, and computes those that are kept. before holds the
// encoders of the previous plan, or nil; their kept values are reused and released.
func Open(ctx context.Context, net *split.Network, train, val *data.Dataset, o Options, before *Encoders) (*Encoders, *Summary, error) {
	outline, err := net.Outline()
	if err != nil {
		return nil, nil, err
	}
	e := &Encoders{}
	if e.Train, err = NewEncoder(net, train, nil); err != nil {
		return nil, nil, err
	}
	if e.Val, err = NewEncoder(net, val, nil); err != nil {
		return nil, nil, err
	}
	if o.Augment != "none" {
		e.Train.variants = o.Variants
	}
	e.Val.parts = e.Train.parts
	if before != nil {
		e.Train.before, e.Val.before = before.Train, before.Val
	}
	frontier := outline.Cut(outline.Frontier)
	s := &Summary{Where: "off", Values: len(frontier.Points), BytesPerExample: frontier.Bytes()}
	began := time.Now()
	if o.Where != "off" && outline.WorthKeeping() {
		k := newKeeper(net, outline, e, &o)
		if o.Brief {
			err = k.round(frontier)
		} else {
			err = k.keep(ctx, frontier, s)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	s.Seconds = time.Since(began).Seconds()
	e.Train.before, e.Val.before = nil, nil
	return e, s, nil
}

// Stored reports whether training examples come from a store.
func (e *Encoders) Stored() bool { return e.Train.store != nil }
