package trials

import (
	"context"
	"fmt"
	"time"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// cost is what a network needs in use.
type cost struct {
	bytes   int64   // of all weights
	latency float64 // of one example, in milliseconds
}

// cost measures a network once for all trials that have the same: as its tuned file runs, in which
// no weight trains any more. Latency is the fastest of several passes, so that what else the machine
// does counts little.
func (b *Bench) cost(ctx context.Context, s *run.Session) (cost, error) {
	c := s.Config
	key := fmt.Sprintf("%q %q %q %q %q %q %q %q %v", c.Cut, c.Skip, c.HeadActivation, c.Head, c.Attach, c.Pool, c.Adapter, c.AdapterTargets, c.AdapterMerge)
	if known, ok := b.costs[key]; ok {
		return known, nil
	}
	var of cost
	for _, w := range s.Net.Set.Weights {
		of.bytes += int64(len(w.Value.Data.Bytes))
	}
	var err error
	if of.latency, err = latency(ctx, s.Net); err != nil {
		return of, err
	}
	b.costs[key] = of
	return of, nil
}

// A network is timed for at least leastPasses and for timed, so that a pass that nothing disturbs is
// among them; mostPasses are enough for the smallest one.
const (
	leastPasses = 5
	mostPasses  = 100
	timed       = 50 * time.Millisecond
)

// latency is the time of the fastest of several passes of one example, in milliseconds.
func latency(ctx context.Context, n *split.Network) (ms float64, err error) {
	p, err := n.Inference(1)
	if err != nil {
		return 0, err
	}
	in := zeros(p)
	start := time.Now()
	for k := 0; k < leastPasses || k < mostPasses && time.Since(start) < timed; k++ {
		began := time.Now()
		if _, err := p.Run(ctx, in...); err != nil {
			return 0, err
		}
		if took := time.Since(began).Seconds() * 1000; k == 0 || took < ms {
			ms = took
		}
	}
	return ms, nil
}

func zeros(p *compile.Program) []*tensor.Tensor {
	var in []*tensor.Tensor
	for _, v := range p.Graph().Inputs {
		in = append(in, tensor.New(v.Type.DType, v.Type.Shape...))
	}
	return in
}

// work is what a trial computes besides the values at its frontier, which trials share.
func work(s *run.Session, parts int) (float64, error) {
	w, err := s.Work()
	if err != nil {
		return 0, err
	}
	n := float64(s.Train.Len())
	steps := float64((s.Train.Len() + s.Config.Batch - 1) / s.Config.Batch)
	return float64(parts) * float64(s.Config.Epochs) * (n*w.Live + steps*w.Step), nil
}
