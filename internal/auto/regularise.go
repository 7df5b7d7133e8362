package auto

import (
	"context"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// What --auto adds to the recipe. Both were measured; see docs/records.md.
const (
	// pictures are cut and coloured at random, gently, where more than the head trains. Nothing is
	// mirrored: letters and hands are not.
	augment = "crop:0.7,color:0.2"
	// by how much three times the rate is expected to be worse with them than without, as a logarithm,
	// where everything is thawed
	changedUp = 0.15
	// rare classes count more where there are at most so many training examples a class. A deep fit to
	// few examples forgets the rare ones, even for validation examples that are as uneven. With many
	// it learns the true shares of the classes, and balancing costs accuracy.
	fewPerClass = 100
	// of the mean of all classes, what the rarest must have at least: else single examples weigh too much
	rarest = 0.05
)

// regularise adds to the recipe what the user did not settle, and notes it.
func (a *auto) regularise(sets run.Sets) {
	s := a.session
	a.changed = changed{session: s, sets: sets, augment: augment}
	if !task.KindOf(s.Task).Answers.Classes {
		return
	}
	if a.user.Augment == "" && s.Pictures() && s.Net.Headed.Fresh {
		a.augment = augment
		s.Notes = append(s.Notes, fmt.Sprintf("what more than the head trains gets pictures that are cut and coloured at random (option augment %s; option augment none is without)", augment))
	}
	if counts := s.Train.Counts(); a.user.ClassWeights == "" && s.Net.Headed.Fresh && weighs(counts) {
		a.user.ClassWeights = "balanced"
		s.Notes = append(s.Notes, fmt.Sprintf("rare classes count more (option class_weights balanced; option class_weights none is without): they have from %s to %d, which is few",
			report.Counted(slices.Min(counts), "example"), slices.Max(counts)))
	}
}

// weighs reports whether rare classes of so many examples count more.
func weighs(counts []int) bool {
	if len(counts) == 0 {
		return false
	}
	n := 0
	for _, c := range counts {
		n += c
	}
	mean := float64(n) / float64(len(counts))
	return mean <= fewPerClass && slices.Max(counts) > slices.Min(counts) && float64(slices.Min(counts)) >= rarest*mean
}

// changed are the training examples, to be changed at random in every epoch. They are opened when
// they are first needed.
type changed struct {
	session *run.Session
	sets    run.Sets
	augment string
	all     *data.Dataset
}

func (c *changed) train(ctx context.Context) (*data.Dataset, error) {
	var err error
	if c.all == nil {
		c.all, err = c.session.Augmented(ctx, c.sets, c.augment)
	}
	return c.all, err
}
