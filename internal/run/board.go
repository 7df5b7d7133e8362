package run

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensorboard"
)

// Limits of what a long run writes for TensorBoard.
const (
	boardPictures   = 8   // validation examples that are shown
	boardHistograms = 100 // of each weight
	boardMistakes   = 20  // at the end
)

// Beginnings of tags. Values of steps stand at the step that they are of, all others at the last step
// before.
const (
	stepTag    = "step/"
	mistakeTag = "mistakes"
)

// board is the sink that writes a fit to an event file of TensorBoard, in the run folder. Since its
// scalars are in events.jsonl too, nothing depends on it: a fit goes on when it cannot be written.
type board struct {
	loop *loop
	w    *tensorboard.Writer
	err  error
	plan *report.PlanEvent

	shown []int                // validation examples, of those that have pictures
	files map[int][]byte       // their pictures
	said  map[int]task.Outcome // and the answers of the last validation
}

// boards are the names of the event files in the folder, the oldest first.
func (d *RunDir) boards() ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(escaped(d.Path), tensorboard.Pattern))
	for i := range paths {
		paths[i] = filepath.Base(paths[i])
	}
	return paths, err
}

// escaped is a path as a pattern that matches it alone.
func escaped(path string) string {
	if filepath.Separator == '\\' { // which escapes nothing there
		return path
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// Emit writes what TensorBoard shows of an event.
func (b *board) Emit(at time.Time, e report.Event) {
	if plan, ok := e.(*report.PlanEvent); ok {
		b.plan = plan
	}
	if start, ok := e.(*report.RunStart); ok {
		b.err = b.open(at, start)
	}
	if b.w == nil {
		return
	}
	switch e := e.(type) {
	case *report.StepEvent:
		values := []tensorboard.Value{tensorboard.Scalar(stepTag+"loss", float64(e.Loss)), tensorboard.Scalar(stepTag+"learning_rate", e.LR)}
		if e.GradNorm != 0 {
			values = append(values, tensorboard.Scalar(stepTag+"grad_norm", float64(e.GradNorm)))
		}
		b.w.Write(at, e.Step, values...)
	case *report.EpochEvent:
		b.epoch(at, e)
	case *report.PlanChange:
		text := fmt.Sprintf("epoch %d: %s\n\n%s", e.Epoch, e.Reason, named("thawed", e.Thawed)+named("frozen", e.Frozen))
		b.w.Write(at, e.Step, tensorboard.Scalar("epoch/params_thawed", float64(e.ParamsThawed)), tensorboard.Text("schedule", text))
	case *report.RunEnd:
		b.end(at, e)
	}
}

// open begins the file of a run, or goes on with it: what it has of later than the checkpoint is left
// out, as it comes again.
func (b *board) open(at time.Time, e *report.RunStart) error {
	dir, st := b.loop.dir, &b.loop.st
	old, err := dir.boards()
	if err != nil {
		return err
	}
	if e.Resumed && len(old) > 0 {
		b.w, err = tensorboard.Reopen(dir.File(old[len(old)-1]), func(step int, tag string) bool {
			switch {
			case tag == tensorboard.SessionEndTag, strings.HasPrefix(tag, mistakeTag):
				return false
			case step == st.Step && st.EpochStep > 0: // the end of the epoch is still to come
				return strings.HasPrefix(tag, stepTag)
			}
			return step <= st.Step
		})
		return err
	}
	for _, name := range old { // of a start that left no checkpoint
		if err := os.Remove(dir.File(name)); err != nil {
			return err
		}
	}
	if b.w, err = tensorboard.Create(dir.File(tensorboard.Name(at)), at); err != nil {
		return err
	}
	b.w.Write(at, st.Step, tensorboard.SessionStart(at, HParams(&b.loop.session.Config)))
	if b.plan != nil {
		b.w.Write(at, st.Step, tensorboard.Text("plan", b.planText()))
	}
	return nil
}

// epoch writes the scalars of an epoch, how far weights have moved, and what is said of pictures.
func (b *board) epoch(at time.Time, e *report.EpochEvent) {
	values := []tensorboard.Value{
		tensorboard.Scalar("epoch/train_loss", float64(e.TrainLoss)), tensorboard.Scalar("epoch/learning_rate", e.LR),
		tensorboard.Scalar("epoch/seconds", e.Seconds), tensorboard.Scalar("epoch/examples_per_second", e.Rate),
	}
	add := func(name string, v float64) { values = append(values, tensorboard.Scalar("epoch/"+name, v)) }
	metric := func(set string, m *task.Named) {
		if m != nil && m.Value != nil {
			add(set+m.Name, *m.Value)
		}
	}
	classify := task.KindOf(b.loop.session.Task).Answers.Classes
	if metric("train_", e.TrainMetric); classify {
		add("train_accuracy", float64(e.TrainAccuracy))
	}
	if v := e.Val; v != nil {
		add("val_loss", v.Loss())
		if metric("val_", v.Named()); classify {
			add("val_accuracy", v.Accuracy())
			add("val_macro_f1", v.MacroF1())
		}
	}
	b.w.Write(at, e.Step, values...)
	last := e.Epoch == b.loop.session.Config.Epochs
	if every := (b.loop.session.Config.Epochs + boardHistograms - 1) / boardHistograms; e.Epoch%every == 0 || last {
		b.w.Write(at, e.Step, b.updates()...)
	}
	if e.Epoch&(e.Epoch-1) == 0 || last { // epochs 1, 2, 4, 8 and so on
		b.w.Write(at, e.Step, b.pictures()...)
	}
}

// updates are histograms of what training added to the pretrained weights, and of new weights
// themselves.
func (b *board) updates() []tensorboard.Value {
	s := b.loop.session
	var out []tensorboard.Value
	for _, p := range s.active.params(s.Net.Set) {
		now := make([]float32, p.Len())
		p.Gather(now, p.Value)
		if s.Net.IsNew(p.Name) {
			out = append(out, tensorboard.Histogram("weights/"+p.Name, now))
			continue
		}
		base := make([]float32, p.Len())
		p.Gather(base, s.active.pretrained[p.Name])
		for i, v := range base {
			now[i] -= v
		}
		out = append(out, tensorboard.Histogram("updates/"+p.Name, now))
	}
	return out
}

// end writes how the run ended and its worst mistakes.
func (b *board) end(at time.Time, e *report.RunEnd) {
	status := tensorboard.Success
	if e.Status == "failed" || e.Status == "interrupted" {
		status = tensorboard.Failure
	} else {
		b.mistakes(at)
	}
	b.w.Write(at, b.loop.st.Step, tensorboard.SessionEnd(at, status))
}

// complain warns that the file could not be written. Whoever holds the events calls it.
func (b *board) complain() {
	if b == nil {
		return
	}
	err := b.err
	if err == nil && b.w != nil {
		err = b.w.Err()
	}
	if err != nil {
		b.loop.events.Emit(&report.Warning{Message: "the event file for TensorBoard could not be written: " + err.Error()})
	}
}

func (b *board) close() {
	if b.w != nil {
		b.w.Close()
	}
}
