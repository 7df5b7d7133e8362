package simulate

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// pool has the Locals with which clients train in turn.
type pool struct {
	idle chan *run.Local
	kept *keep.Kept // frozen values of all examples; nil: none are kept
}

// bench lends a client one of the pool's Locals with the client's examples.
type bench struct {
	*pool
	examples *data.Dataset
	at       []int // indices of the examples among all
	memory   int64 // that the client can spend on training, 0 for any
}

func (b *bench) With(ctx context.Context, kit *fed.Kit, fn func(l *run.Local) error) error {
	var l *run.Local
	select {
	case l = <-b.idle:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { b.idle <- l }()
	defer kernel.Beside()()
	if err := l.Use(b.examples, b.kept, b.at); err != nil {
		return err
	}
	return fn(l)
}

func (b *bench) Affords(l *run.Local) (from int, why string, err error) {
	return fed.Affords(l, b.memory)
}

func (b *bench) Fetched() int64 { return 0 }

var _ fed.Bench = (*bench)(nil)
