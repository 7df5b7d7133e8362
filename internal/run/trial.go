package run

import (
	"context"
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Try runs the longest, the shortest and one random example through the network, so that a model
// that does not take the data is found before anything is written. It also checks that the tuned
// file can be made. The first also goes through it with another example before and after it: the
// network must give an example the same values in any company. What an earlier run tried is not run
// again.
func (s *Session) Try(ctx context.Context) error {
	if err := s.try(ctx); err != nil {
		return err
	}
	p, err := s.patch()
	if err != nil {
		return err
	}
	return s.Base.Model.Check(p)
}

// try runs examples through the network, unless an earlier run did.
func (s *Session) try(ctx context.Context) error {
	t := trial{session: s, net: s.Net.Twin()}
	about, known, err := t.subject()
	if err != nil {
		return err
	}
	if known && s.Findings().Get(triedQuestion, about, &struct{}{}) {
		return nil
	}
	if t.examples, err = keep.NewEncoder(t.net, s.Train, nil); err != nil {
		return err
	}
	picks := t.picks()
	var alone []*tensor.Tensor // the values of the first
	for k, i := range picks {
		values, err := t.run(ctx, data.Group{Indices: []int{i}, Length: s.Train.Bucket(i)})
		if err != nil {
			return t.blame(i, err)
		}
		if k == 0 {
			alone = values
		}
	}
	i := picks[0]
	if j, ok := t.companion(i); ok {
		length := s.Train.Bucket(i)
		t.net.ReleaseBatch(1)
		for at, pair := range [][]int{{i, j}, {j, i}} {
			both, err := t.run(ctx, data.Group{Indices: pair, Length: length})
			if err != nil {
				return t.blame(i, err)
			}
			if err := t.compare(ctx, alone, both, pair, at, length); err != nil {
				return err
			}
		}
	}
	if known {
		s.Findings().Put(triedQuestion, about, struct{}{})
	}
	return nil
}

// triedQuestion is the question whether examples went through a network without a fault.
const triedQuestion = "tried"

// subject is what the outcome of the trial depends on. It is false where that is not known.
func (t *trial) subject() (about *Subject, known bool, err error) {
	picks := t.picks()
	alone := len(picks)
	if j, ok := t.companion(picks[0]); ok {
		picks = append(picks, j)
	}
	digests, err := digestsOf(t.session.Train, picks...)
	if err != nil {
		return nil, false, err
	}
	about, known = t.session.SubjectOf(t.session.Config, digests, alone)
	return about, known, nil
}

type trial struct {
	session  *Session
	net      *split.Network
	examples *keep.Encoder
}

// picks are the longest, the shortest and a random example, each once.
func (t *trial) picks() []int {
	d := t.session.Train
	longest, shortest := 0, 0
	for i := range d.Len() {
		if d.Length(i) > d.Length(longest) {
			longest = i
		}
		if d.Length(i) < d.Length(shortest) {
			shortest = i
		}
	}
	out := []int{longest}
	for _, i := range []int{shortest, random.For(t.session.Config.Seed, random.Trial, 0).IntN(d.Len())} {
		if i != longest && (len(out) < 2 || out[1] != i) {
			out = append(out, i)
		}
	}
	return out
}

// companion is another example of the same length with padding, one that is far from i.
func (t *trial) companion(i int) (int, bool) {
	d := t.session.Train
	for k := range d.Len() - 1 {
		j := (i + d.Len()/2 + k) % d.Len()
		if j != i && d.Bucket(j) == d.Bucket(i) {
			return j, true
		}
	}
	return 0, false
}

// run gives the values at the frontier of a group, what a fresh head reads and the scores, which must
// be numbers. A fresh head starts at zero: its scores alone would show no mixing before it.
func (t *trial) run(ctx context.Context, g data.Group) ([]*tensor.Tensor, error) {
	var values []*tensor.Tensor
	for b, err := range t.examples.Batches(ctx, []data.Group{g}, data.Plain) {
		if err != nil {
			return nil, err
		}
		for _, v := range b.Values {
			values = append(values, v.Clone())
		}
		net := t.net.At(b.Length)
		p, err := net.Eval(len(b.Indices))
		if err != nil {
			return nil, err
		}
		given := b.Given(net)
		out, err := p.Run(ctx, given...)
		if err != nil {
			return nil, err
		}
		if !finite(out[0]) {
			where, err := p.FirstNonFinite(ctx, given...)
			if err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("the model's result is not a number: it arose first in %s; the example is damaged, or prepared in another way than the model was trained with", where)
		}
		values = append(values, out[0].Clone())
		if net.Headed.Linear == "" {
			continue
		}
		if p, err = net.Features(len(b.Indices)); err != nil {
			return nil, err
		}
		if out, err = p.Run(ctx, b.Values...); err != nil {
			return nil, err
		}
		values = append(values, out[0].Clone())
	}
	return values, nil
}

func finite(t *tensor.Tensor) bool {
	for _, x := range t.Float64s() {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// blame says which example it was, and which option mends it.
func (t *trial) blame(i int, err error) error {
	d := t.session.Train
	if _, ok := t.session.Base.Feed.(*feed.Texts); ok && t.net.Form != nil {
		return option.Errorf("max_length", "the model does not take %s, a text of %d tokens: %w; give a smaller number of tokens", d.Examples[i].Path, d.Length(i), err)
	}
	return fmt.Errorf("%s: %w", d.Examples[i].Path, err)
}

// compare errors where an example has other values alone than in a pair, in which it is number at.
func (t *trial) compare(ctx context.Context, alone, both []*tensor.Tensor, pair []int, at, length int) error {
	if split.SameInCompany(alone, both, at, len(pair)) {
		return nil
	}
	mixer := "the model"
	if example, err := t.inputs(ctx, length, pair[at]); err == nil {
		if all, err := t.inputs(ctx, length, pair...); err == nil {
			if where, err := t.net.At(length).FirstMixing(ctx, example, all, at, len(pair)); err == nil && where != "" {
				mixer = where
			}
		}
	}
	d := t.session.Train
	return option.Errorf("attach", "%s mixes the examples of a batch: of %s it gives other values alone than together with %s; export the model in evaluation mode, or name a value before what mixes",
		mixer, d.Examples[pair[at]].Path, d.Examples[pair[1-at]].Path)
}

// inputs are the model's inputs for some examples.
func (t *trial) inputs(ctx context.Context, length int, indices ...int) ([]*tensor.Tensor, error) {
	for b, err := range t.session.Train.Loader(len(indices)).Groups(ctx, []data.Group{{Indices: indices, Length: length}}, data.Plain) {
		if err != nil {
			return nil, err
		}
		return b.Inputs, nil
	}
	return nil, ctx.Err()
}
