package choose

import (
	"context"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/alike"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Near looks for training examples that are nearly equal by their frozen features, see package
// alike. It gives what data.Dataset.Folds takes, and notes for the user, also on validation examples
// that are nearly equal to training examples. Near is nil where nothing is found, and where nothing
// is looked for: the option group already says which examples belong together, the session has no
// fresh head, or the task scores every position. The features are those that the head of a fit
// reads; the cache keeps them.
func Near(ctx context.Context, s *run.Session) (near []int, notes []string, err error) {
	if s.Config.Group != "" || !s.Net.Headed.Fresh || s.Task.PerPosition() {
		return nil, nil, nil
	}
	cfg := s.Config.Probe()
	cfg.Augment = "none"
	probe, err := s.With(cfg, s.Train, s.Val)
	if err != nil {
		return nil, nil, err
	}
	train, err := probe.Features(ctx, s.Train, nil)
	if err != nil {
		return nil, nil, err
	}
	val, err := probe.Features(ctx, s.Val, nil)
	if err != nil {
		return nil, nil, err
	}
	found := alike.Find(train.Rows, train.Width, classesOf(s.Train))
	both := alike.Find(slices.Concat(train.Rows, val.Rows), train.Width, slices.Concat(classesOf(s.Train), classesOf(s.Val)))
	leaks, err := data.Leaks(s.Train, s.Val, both.Near)
	if err != nil {
		return nil, nil, err
	}
	notes = append(sayNear(found, s.Train), leaks...)
	if found.Groups > 0 {
		near = found.Near
	}
	return near, notes, nil
}

// togetherOf says which of some training examples belong together, by all that is known: see
// data.Dataset.Together and, of the last of the features' parts, package alike.
func togetherOf(s *run.Session, f *run.Features, picked []int) (together []int, notes []string, err error) {
	var near []int
	if s.Config.Group == "" {
		width := f.Parts[len(f.Parts)-1]
		rows := make([]float32, 0, len(picked)*width)
		for _, i := range picked {
			rows = append(rows, f.Rows[(i+1)*f.Width-width:(i+1)*f.Width]...)
		}
		some := s.Train.Subset(picked)
		found := alike.Find(rows, width, classesOf(some))
		notes = sayNear(found, some)
		near = data.FileOrder(s.Train.Len())
		for k, first := range found.Near {
			near[picked[k]] = picked[first]
		}
	}
	all, err := s.Train.Together(near)
	if err != nil {
		return nil, nil, err
	}
	return pick(all, 1, picked), notes, nil
}

// classesOf are the classes of examples, all the same where there are none.
func classesOf(d *data.Dataset) []int {
	out := make([]int, d.Len())
	for i, e := range d.Examples {
		out[i] = e.Label
	}
	return out
}

// sayNear describes the training examples that are nearly equal.
func sayNear(f *alike.Found, d *data.Dataset) (notes []string) {
	if f.TooMany {
		return []string{fmt.Sprintf("%d training examples are too many to look for nearly equal ones; equal ones are held out together, and option group names others that belong together", d.Len())}
	}
	if f.Groups > 0 {
		a, b := f.Pair[0], f.Pair[1]
		notes = append(notes, fmt.Sprintf("%d of %d training examples are nearly equal to others, such as %s and %s; nearly equal ones are held out together (groups: %d, the largest of %d)",
			f.Examples, d.Len(), d.Examples[a].Path, d.Examples[b].Path, f.Groups, f.Largest))
	}
	for _, c := range f.Disbelieved {
		of := "all examples"
		if c >= 0 && c < len(d.Classes) {
			of = "class " + d.Classes[c]
		}
		notes = append(notes, fmt.Sprintf("more than half of %s seem nearly equal: they are divided all the same", of))
	}
	return notes
}
