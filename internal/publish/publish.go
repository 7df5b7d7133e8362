// Package publish makes the folder that a hub's repository holds of a run: the tuned model or its delta,
// how it is fed, its labels, what was frozen with the proof, and a model card with the run's numbers.
//
// In: a run folder. Out: another folder. Nothing of it says where files lay on the machine, and no
// example is in it. It reaches no network.
package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/hub/layout"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// Options say what the folder is like.
type Options struct {
	Repo    string // owner/name of the repository, "" for unknown
	License string // for the card; "" for none: whoever has the rights must say it
	Delta   bool   // the delta in place of the model
	Replace bool   // what the folder held is removed
}

// CardFile is the model card.
const CardFile = "README.md"

// configFile says the labels in the form that other programs read.
const configFile = "config.json"

// Folder is a folder that was made.
type Folder struct {
	Files []string // in the order in which they were written
	Bytes int64
	Notes []string
}

// source is what is known of a run.
type source struct {
	*run.Listed
	options Options
	start   report.RunStart
	data    report.DataEvent
	plan    report.PlanEvent
	result  *numbers
	record  *tuned.Record
	base    string // SHA-256 of the pretrained model
}

// numbers are those of a result that the card has.
type numbers struct {
	Accuracy *float64    `json:"val_accuracy"`
	MacroF1  *float64    `json:"macro_f1"`
	ECE      *float64    `json:"ece"`
	Loss     *float64    `json:"val_loss"`
	Metric   *task.Named `json:"val_metric"`
	Before   string      `json:"frozen_digest_before"`
	After    string      `json:"frozen_digest_after"`
	Examples int         `json:"examples"`
}

// Make makes the folder of a run at a path, which must not hold anything yet, or is replaced. It errors with nothing
// written if the run has no tuned model.
func Make(dir, out string, o Options) (*Folder, error) {
	s, err := read(dir, o)
	if err != nil {
		return nil, err
	}
	if o.Replace {
		err = os.RemoveAll(out)
	} else {
		err = free(out)
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return nil, err
	}
	f := &Folder{}
	model := run.ModelFile
	if o.Delta {
		model = run.DeltaFile
	}
	names := []string{model, feed.PreprocessFile, feed.FrontEndFile, feed.TokenizerFile, feed.TokenizerConfigFile, run.LabelsFile, run.PlanFile, run.SealFile}
	if !o.Delta {
		external, err := onnx.ExternalFiles(filepath.Join(dir, model))
		if err != nil {
			return nil, err
		}
		for _, path := range external {
			names = append(names, filepath.Base(path))
		}
	}
	adapter, err := os.ReadDir(filepath.Join(dir, run.AdapterDir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, e := range adapter {
		names = append(names, filepath.Join(run.AdapterDir, e.Name()))
	}
	for _, name := range names {
		if err := f.copy(filepath.Join(dir, name), out, name); err != nil {
			return nil, err
		}
	}
	config, err := s.config()
	if err == nil && config != nil {
		err = f.write(out, configFile, config)
	}
	if err != nil {
		return nil, err
	}
	card, err := s.card(f)
	if err != nil {
		return nil, err
	}
	if o.License == "" {
		f.Notes = append(f.Notes, "the model card names no license: option license sets one, such as apache-2.0")
	}
	return f, f.write(out, CardFile, card)
}

// read finds out what is known of a run.
func read(dir string, o Options) (*source, error) {
	s := &source{options: o}
	var end *report.RunEnd
	var err error
	s.Listed, err = run.Read(dir, func(r report.Record) {
		switch e := r.Event.(type) {
		case *report.RunStart:
			s.start, end = *e, nil
		case *report.DataEvent:
			s.data = *e
		case *report.PlanEvent:
			s.plan = *e
		case *report.RunEnd:
			end = e
		}
	})
	if err != nil {
		return nil, err
	}
	switch {
	case end == nil || s.State != run.Done:
		return nil, fmt.Errorf("the run in %s has no result yet (%s)", dir, s.State)
	case end.Result == nil:
		return nil, fmt.Errorf("the run in %s has no numbers that a model card could have: it is none of a fit", dir)
	}
	if err := json.Unmarshal(end.Result, &s.result); err != nil {
		return nil, fmt.Errorf("%s: %w", run.EventsFile, err)
	}
	m, err := onnx.Open(filepath.Join(dir, run.ModelFile))
	if err != nil {
		return nil, err
	}
	if s.record, err = tuned.ReadRecord(m.Metadata); err != nil {
		return nil, fmt.Errorf("%s: %w", run.ModelFile, err)
	}
	s.base = s.record.Plan.Model
	return s, nil
}

// free errors if there is something at a path already.
func free(out string) error {
	entries, err := os.ReadDir(out)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return option.Errorf("out", "%w", err)
	case len(entries) > 0:
		return option.Errorf("out", "%s holds files: name a new folder", out)
	}
	return nil
}

// copy copies a file, if it is there.
func (f *Folder) copy(from, out, name string) error {
	in, err := os.Open(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	return f.add(out, name, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

func (f *Folder) write(out, name string, content []byte) error {
	return f.add(out, name, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

func (f *Folder) add(out, name string, write func(io.Writer) error) error {
	path := filepath.Join(out, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	if err := atomicfile.Write(path, write); err != nil {
		return err
	}
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	f.Files, f.Bytes = append(f.Files, filepath.ToSlash(name)), f.Bytes+st.Size()
	return nil
}

// has reports whether the folder has a file.
func (f *Folder) has(name string) bool { return slices.Contains(f.Files, name) }

// config is config.json: the labels as transformers and what stands on it have them. It is nil where
// scores have no names.
func (s *source) config() ([]byte, error) {
	if len(s.record.Labels) == 0 || s.record.Task == "lm" {
		return nil, nil
	}
	c := struct {
		Problem string            `json:"problem_type,omitempty"`
		Labels  map[string]string `json:"id2label"`
		IDs     map[string]int    `json:"label2id"`
	}{map[string]string{"classify": "single_label_classification", "multilabel": "multi_label_classification", "regress": "regression"}[s.record.Task], map[string]string{}, map[string]int{}}
	for i, name := range s.record.Labels {
		c.Labels[strconv.Itoa(i)], c.IDs[name] = name, i
	}
	b, err := json.MarshalIndent(c, "", "  ")
	return append(b, '\n'), err
}

// hubName is the repository of a model or data set of the hub, "" for one that is not of a hub.
func hubName(path string) string {
	path = layout.Pinned(path)
	if n, err := layout.Parse(path); err == nil && layout.Is(path) {
		return n.Repo
	}
	return ""
}
