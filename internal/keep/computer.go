package keep

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Computer computes values at a cut of one network for one data set after the other. It is for one
// goroutine at a time.
type Computer struct {
	net     *split.Network
	outline *split.Outline
	at      *split.Cut
	parts   map[string]*compile.Program // see Encoder
}

// NewComputer returns a Computer. The cut is one of the outline, which is that of the network.
func NewComputer(net *split.Network, outline *split.Outline, at *split.Cut) *Computer {
	return &Computer{net, outline, at, map[string]*compile.Program{}}
}

// Compute gives the values of all examples, without changes at random: by example its values one after
// the other. It takes them from the shared cache of the options, if there is one, and leaves there what
// it computed. cached says how many were there.
func (c *Computer) Compute(ctx context.Context, ds *data.Dataset, o Options) (rows [][]byte, cached int, err error) {
	e, err := NewEncoder(c.net, ds, nil)
	if err != nil {
		return nil, 0, err
	}
	if !sameValues(c.at, c.outline.Cut(c.outline.Frontier)) {
		e.cut = c.at
	}
	e.keeps(c.at.Types())
	e.kept, e.parts = c.at, c.parts
	k := newKeeper(c.net, c.outline, &Encoders{Train: e}, &o)
	t, err := k.stores(e, c.at)
	if err != nil {
		return nil, 0, err
	}
	t.both = true
	got, err := e.fill(ctx, func(int) {}, func(seconds float64) {
		t.persist = t.disk != nil && (o.Where == "disk" || worthDisk(k.size(c.at), seconds))
	})
	if err != nil {
		return nil, 0, err
	}
	for i := range ds.Len() {
		sizes := e.sizeOf(i)
		row := make([]byte, total(sizes))
		if !e.store.Get(i, parted(row, sizes)) { // it found no room
			if row, err = e.one(ctx, i, data.Plain); err != nil {
				return nil, 0, err
			}
		}
		rows = append(rows, row)
	}
	if k.shared != nil {
		_ = k.shared.Flush() // what is lost is computed again
	}
	return rows, got.hits + got.near, nil
}
