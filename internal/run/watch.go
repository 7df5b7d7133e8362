package run

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ondisk"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// watch looks for signs that a thawed weight does not train. It does not affect training.
type watch struct {
	alive map[string]bool // weights that had a gradient this epoch
	steps int             // steps seen in this epoch
	// epochs in which the weights were looked at
	judged int
	told   bool // dead gradients have been reported
}

// Batch statistics of fewer examples, or of fewer values per channel, are too noisy.
const (
	fewExamples = 8
	fewValues   = 16
)

// still is the relative change per epoch below which a weight counts as not moving.
const still = 1e-6

// step notes which weights have a gradient. It ignores weights that a schedule holds back.
func (w *watch) step(f *loop) {
	if f.st.Step == 1 {
		f.warnSmallBatches()
	}
	if f.session.stage.schedule != nil || w.told {
		return
	}
	if w.alive == nil {
		w.alive = map[string]bool{}
	}
	w.steps++
	for _, s := range f.session.active.Opt.Slots() {
		if !w.alive[s.Name] && s.Grad != nil && !allZero(s.Grad) {
			w.alive[s.Name] = true
		}
	}
}

func allZero(t *tensor.Tensor) bool {
	if t.DType == tensor.Float32 {
		for _, v := range t.F32() {
			if v != 0 {
				return false
			}
		}
		return true
	}
	return len(bytes.Trim(t.Bytes, "\x00")) == 0
}

// epoch reports at the end of an epoch if it saw all of it. Below what is new and starts at zero,
// such as a linear head, the first step of a run has no gradients but zeros, and says nothing.
func (w *watch) epoch(f *loop) {
	if f.session.stage.schedule == nil && w.steps == f.st.Steps && f.st.Step > 1 {
		var dead, unmoved []string
		for _, s := range f.session.active.Opt.Slots() {
			switch {
			case !w.alive[s.Name]:
				dead = append(dead, s.Name)
			case w.judged == 0 && !f.moved(s):
				unmoved = append(unmoved, s.Name)
			}
		}
		if len(dead) > 0 {
			w.told = true
			f.events.Emit(&report.Warning{Message: fmt.Sprintf("dead gradients: %s had none but zeros in the whole of epoch %d, and cannot learn; freezing it changes nothing and saves its cost", list(dead), f.st.Epoch+1)})
		}
		w.judged++
		if len(unmoved) > 0 {
			f.events.Emit(&report.Warning{Message: fmt.Sprintf("%s moved by less than a millionth in epoch %d: raise option lr or option lr_mult for it, or freeze it", list(unmoved), f.st.Epoch+1)})
		}
	}
	w.alive, w.steps = nil, 0
}

// moved reports whether the first epoch changed a weight noticeably. For a weight that is new or
// was all zero, any change counts.
func (f *loop) moved(s *optim.Slot) bool {
	base := f.session.active.pretrained[s.Name]
	if base == nil || f.session.Net.IsNew(s.Name) { // a new head has no pretrained values
		return true
	}
	now, was := make([]float32, s.Len()), make([]float32, s.Len())
	s.Gather(now, s.Value)
	s.Gather(was, base)
	ondisk.Release()
	var change, size float64
	for i, v := range now {
		d, w := float64(v)-float64(was[i]), float64(was[i])
		change += d * d
		size += w * w
	}
	return change > still*still*size
}

// list joins the first few of several weight names.
func list(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d others", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// warnSmallBatches warns of batch normalisations whose statistics come from too few values.
func (f *loop) warnSmallBatches() {
	step := f.session.Net.CompiledStep(min(f.session.Config.Batch, f.session.Train.Len()))
	if step == nil || len(step.Stats) == 0 {
		return
	}
	least := step.Stats[0].Count
	for _, s := range step.Stats {
		least = min(least, s.Count)
	}
	if f.session.Config.Batch >= fewExamples && least >= fewValues {
		return
	}
	name := ""
	for _, w := range f.session.Net.Set.Weights {
		for _, s := range step.Stats {
			if s.Count == least && name == "" && w.Role == freeze.RoleStat && w.Value.Data == s.Mean {
				name = strings.Join(w.Module, ".")
			}
		}
	}
	f.events.Emit(&report.Warning{Message: fmt.Sprintf("batch statistics come from %d examples, in %s from %d values a channel: that is few; raise option batch to 16 or more, or keep the pretrained statistics with option batchnorm frozen",
		f.session.Config.Batch, name, least)})
}
