package facts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/inspect"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Limits of what is gathered.
const (
	previewBytes = 1200 << 10              // of all previews: in base64 they then take 1.6 MB
	previewTime  = 300 * time.Millisecond  // to make all previews
	textMost     = 1000                    // characters of a text
	costTime     = 1500 * time.Millisecond // to predict one cost, which usually takes a fifth of that
	costModel    = 256 << 20               // bytes of a model that is predicted for
)

// Gather finds the facts of a session whose fit has ended, with a result, or nil where it failed or
// was interrupted. Then nothing is predicted. What cannot be found out is a note. The session lets go
// of all that its fit needed (see run.Session.Release), so that predicting takes no more memory.
func Gather(ctx context.Context, s *run.Session, r *run.Result) *Facts {
	f := &Facts{}
	note := func(what string, err error) {
		if err != nil {
			f.Notes = append(f.Notes, what+": "+err.Error())
		}
	}
	in, err := inspect.Describe(s)
	note("the blocks of the network", err)
	if err == nil {
		f.Frontier, f.Blocks = in.Frontier, blocksOf(in)
	}
	if r == nil {
		return f
	}
	_, f.Judged = s.Task.(task.Judge)
	f.Mistakes, f.MistakesCount = mistakesOf(s, r.Mistakes), r.MistakesCount
	if s.Base.Model.Size() > costModel {
		note("the cost of full fine-tuning", fmt.Errorf("the model is too large to predict it in passing; permafrost inspect does"))
		return f
	}
	s.Release()
	f.Plan, err = predictedOnce(ctx, s, "cost of the plan", inspect.PlanCost)
	note("the cost of this plan", err)
	f.Full, err = predictedOnce(ctx, s, "cost of full fine-tuning", inspect.FullCost)
	note("the cost of full fine-tuning", err)
	return f
}

// predictedOnce is predicted, or what an earlier run on this machine found by it today. Machines
// change, and some are busy for a while, so a prediction is not taken for longer.
func predictedOnce(ctx context.Context, s *run.Session, what string, of func(context.Context, *run.Session) (*inspect.Cost, error)) (*Cost, error) {
	about, known := costSubject(s)
	findings, found := s.Findings(), &Cost{}
	if known && findings.Get(what, about, found) {
		return found, nil
	}
	c, err := predicted(ctx, s, of)
	if err == nil && known {
		findings.Put(what, about, c)
	}
	return c, err
}

// costSubject is what the predicted costs of a fit depend on. It is false where that is not known.
func costSubject(s *run.Session) (*run.Subject, bool) {
	tr, err := s.Train.Fingerprint()
	if err != nil {
		return nil, false
	}
	val, err := s.Val.Fingerprint()
	if err != nil {
		return nil, false
	}
	host, err := os.Hostname()
	if err != nil || s.Base.Loss != nil {
		return nil, false
	}
	c := &s.Config
	return s.SubjectOf(s.Config, [][32]byte{tr, val},
		[]any{host, runtime.NumCPU(), c.Threads, c.Cache, c.CacheBudget, time.Now().Format(time.DateOnly)})
}

// predicted is a cost, if it is found in a short time.
func predicted(ctx context.Context, s *run.Session, of func(context.Context, *run.Session) (*inspect.Cost, error)) (*Cost, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), costTime)
	defer cancel()
	c, err := of(ctx, s)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("predicting it in passing takes too long; permafrost inspect does")
	}
	if err != nil {
		return nil, err
	}
	return &Cost{c.FirstEpoch, c.LaterEpoch, c.TrainBytes, c.Checkpoint, c.KeptBytes}, nil
}

// blocksOf groups consecutive layers of one block. Layers of no block are a part of their own,
// named by the first and the last of them.
func blocksOf(in *inspect.Inspection) []Block {
	var out []Block
	last := ""
	for i := range in.Layers {
		l := &in.Layers[i]
		if i == 0 || l.Block != last {
			out = append(out, Block{Name: l.Block})
			last = l.Block
		}
		b := &out[len(out)-1]
		b.Layers = append(b.Layers, Layer{l.Name, l.Op, l.Params, string(l.State)})
		b.Params, b.FLOPs = b.Params+l.Params, b.FLOPs+l.FLOPs
		for _, w := range l.Weights {
			b.Tensor = append(b.Tensor, w.Name)
			if w.Role.Trains() && (w.State == freeze.Thaw || w.State == freeze.Partly) {
				b.Thawed += w.Shape.Len()
			}
		}
	}
	live := false
	for i := range out {
		b := &out[i]
		if b.Name == "" {
			if b.Name = b.Layers[0].Name; len(b.Layers) > 1 {
				b.Name += " … " + b.Layers[len(b.Layers)-1].Name
			}
		}
		live = live || slices.ContainsFunc(b.Layers, func(l Layer) bool { return l.State != string(freeze.Frozen) })
		b.Live = live
	}
	return out
}

// mistakesOf makes the previews, until they are too large or take too long together.
func mistakesOf(s *run.Session, worst []run.Mistake) []Mistake {
	began, previews := time.Now(), make([]*data.Preview, len(worst))
	kernel.Parallel(len(worst), func(i int) {
		if time.Since(began) < previewTime {
			previews[i], _ = s.Val.Preview(worst[i].Example) // an example that cannot be read any more has none
		}
	})
	var out []Mistake
	bytes := 0
	for i, w := range worst {
		x := s.Val.Examples[w.Example]
		m := Mistake{Input: below(s.Val.Root, x.Path), Text: cut(x.Text), Label: cut(w.Label), Predicted: cut(w.Predicted), Loss: task.Finite(w.Loss)}
		for _, p := range []struct{ to, from **float64 }{{&m.LabelProbability, &w.LabelProbability}, {&m.Probability, &w.Probability}, {&m.Residual, &w.Residual}, {&m.ErrorRate, &w.ErrorRate}} {
			if *p.from != nil {
				*p.to = task.Finite(**p.from)
			}
		}
		if p := previews[i]; p != nil && bytes+len(p.Bytes) <= previewBytes {
			bytes += len(p.Bytes)
			m.MIME, m.Preview = p.MIME, p.Bytes
		}
		out = append(out, m)
	}
	return out
}

// below is a path as it is below a folder: where the folder lies says nothing of the example.
func below(root, path string) string {
	for _, folder := range []string{root, filepath.Dir(root)} { // the root of a table is its file
		if rel, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(rel) && rel != "." {
			return rel
		}
	}
	return path
}

func cut(text string) string {
	if r := []rune(text); len(r) > textMost {
		return string(r[:textMost-1]) + "…"
	}
	return text
}
