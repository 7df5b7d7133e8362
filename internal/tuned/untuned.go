package tuned

import (
	"fmt"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// untuned makes of a model with a classifier of its own what a tuned file says by itself: the model
// with its scores as the only output, and a record. The classes are named by the files beside the
// model, see feed.ModelClasses, else by their numbers. It errors on a model without a classifier.
func untuned(m *onnx.Model, o feed.Options) (*split.Base, *Record, *data.Own, error) {
	base, err := split.NewBase(m, o)
	if err != nil {
		return nil, nil, nil, err
	}
	scores, err := base.Own()
	if err != nil {
		return nil, nil, nil, err
	}
	names, err := feed.ModelClasses(m)
	if err != nil {
		return nil, nil, nil, err
	}
	own := *m
	own.Graph = scores.Graph
	base.Model = &own
	base.Notes = append(base.Notes, fmt.Sprintf("the model was not tuned: its own classifier %q answers (output %q)", scores.Layer, scores.Output))
	r := &Record{Input: base.Feed.Kind(), Sides: base.Sides, Temperature: 1}
	if symbols, ok := task.Symbols(names.Names); ok && len(names.Names) == scores.Classes {
		r.Task, r.Labels = task.NameCTC, symbols
		base.Notes = append(base.Notes, fmt.Sprintf("its %d symbols and the blank are named by %s: it answers with transcripts", len(symbols), names.From))
		return base, r, nil, nil
	}
	if scores.PerPosition {
		if texts, ok := base.Feed.(*feed.Texts); !ok || scores.Classes < texts.Tokenizer.Size() {
			return nil, nil, nil, fmt.Errorf("the model's classifier %q gives %d scores at every position of a sequence, not for an example: permafrost fit gives it a head", scores.Layer, scores.Classes)
		}
		r.Task = task.NameLM
		return base, r, nil, nil
	}
	r.Task = task.NameClassify
	if scores.Sigmoid || names.Several {
		r.Task = task.NameMultilabel
		base.Notes = append(base.Notes, "several labels may apply at once: the model judges each by itself")
	}
	switch {
	case names.Names == nil:
		names.Numbered = true
		for i := range scores.Classes {
			names.Names = append(names.Names, strconv.Itoa(i))
		}
		base.Notes = append(base.Notes, fmt.Sprintf("the model does not name its %d classes: they are called by their numbers, from 0 (id2label of a config.json, or a labels.txt with one name a line, beside the model names them)", scores.Classes))
	case len(names.Names) != scores.Classes:
		return nil, nil, nil, fmt.Errorf("%s names %d classes, and the model's classifier %q gives %d scores: mend it or move it away", names.From, len(names.Names), scores.Layer, scores.Classes)
	default:
		base.Notes = append(base.Notes, fmt.Sprintf("its %d classes are named by %s", scores.Classes, names.From))
	}
	names.Exact = true
	r.Labels = names.Names
	return base, r, names, nil
}
