package run

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/random"
)

// groups cuts the training examples into the batches of an epoch. If batch statistics are taken, a
// batch of one example joins the one before it: the variance of one example is that of its pixels
// alone, or none at all.
func (s *Session) groups(epoch int) []data.Group {
	return s.batchesOf(random.Permutation(s.Config.Seed, epoch, s.Train.Len()))
}

func (s *Session) batchesOf(order []int) []data.Group {
	all := s.Train.Groups(order, s.Config.Batch)
	if s.Config.Batch < 2 || !s.takesBatchStatistics() {
		return all
	}
	joined := all[:0:0]
	for _, g := range all {
		last := len(joined) - 1
		if len(g.Indices) > 1 || last < 0 || s.Train.Form().Exact && joined[last].Length != g.Length {
			joined = append(joined, g)
			continue
		}
		before := joined[last]
		joined[last] = data.Group{Indices: slices.Concat(before.Indices, g.Indices), Length: max(before.Length, g.Length)}
	}
	return joined
}

// takesBatchStatistics reports whether running statistics follow the data in any stage.
func (s *Session) takesBatchStatistics() bool {
	return slices.ContainsFunc(s.Net.Set.Weights, func(w *freeze.Weight) bool { return s.Plans.Reach.Of(w.Name).State == freeze.Tracking })
}

// stepsPerEpoch does not depend on the order of the examples.
func (s *Session) stepsPerEpoch() int {
	n := len(s.batchesOf(data.FileOrder(s.Train.Len())))
	return (n + s.Config.Accumulate - 1) / s.Config.Accumulate
}

// joinedNote says that a batch joins another one; "" if none does.
func (s *Session) joinedNote() string {
	size := s.Config.Batch
	if s.Train.Form().Exact || s.Train.Len()%size != 1 || len(s.batchesOf(data.FileOrder(s.Train.Len()))) == s.Train.Batches(size) {
		return ""
	}
	return fmt.Sprintf("%d examples leave a batch of one: it joins the batch before it, because batch normalisation learns from batches", s.Train.Len())
}
