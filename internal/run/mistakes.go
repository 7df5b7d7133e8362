package run

import (
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Mistake is a validation example to which the model gave a wrong answer.
type Mistake struct {
	Example int // index in the validation examples
	task.Outcome
}

// mistakesKept is how many mistakes are kept.
const mistakesKept = 100

// mistakes are the worst mistakes of one validation, the worst first, and how many there were.
type mistakes struct {
	worst []Mistake
	count int
}

// add takes an outcome, if it is a mistake. A number is never exactly right, so all of regress are.
func (m *mistakes) add(example int, o task.Outcome) {
	if o.Correct {
		return
	}
	m.count++
	if len(m.worst) == mistakesKept && task.Worst(m.worst[mistakesKept-1].Outcome, o) <= 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(m.worst, o, func(w Mistake, o task.Outcome) int {
		if task.Worst(w.Outcome, o) <= 0 { // of equal ones the first stays first
			return -1
		}
		return 1
	})
	m.worst = slices.Insert(m.worst, at, Mistake{example, o})
	m.worst = m.worst[:min(len(m.worst), mistakesKept)]
}

// findMistakes judges the examples of a validation batch. A task that is no task.Judge has no
// mistakes.
func (f *loop) findMistakes(ds *data.Dataset, b *split.Batch, scores *tensor.Tensor) {
	judge, ok := f.session.Task.(task.Judge)
	if !ok {
		return
	}
	classes := task.KindOf(f.session.Task).Answers.Classes
	row := scores.Len() / len(b.Indices)
	for k, i := range b.Indices {
		counts := row
		if positions := task.Positions(f.session.Task, scores.Shape, len(b.Indices)); positions > 0 {
			counts = row / positions * data.Scaled(b.Lengths[k:k+1], b.Length, positions)[0]
		}
		of, target := scores.F32()[k*row:][:counts], f.session.targets[ds][i]
		shown := f.board.shows(i)
		if classes && !shown && task.Argmax(of) == target.Class { // most are right, and need no probabilities
			continue
		}
		o := judge.Judge(of, target)
		f.mistakes.add(i, o)
		if shown {
			f.board.said[i] = o
		}
	}
}

// ofWritten are the mistakes of the written weights, and their number. There are none where these
// weights were validated before the run was resumed.
func (f *loop) ofWritten() ([]Mistake, int) {
	m := f.mistakes
	if f.final == nil && f.session.Config.Keep == "best" && f.st.Best.Found {
		m = f.kept.mistakes
	}
	return m.worst, m.count
}
