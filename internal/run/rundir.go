package run

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// The files of a run directory.
const (
	RunFile        = "run.yaml"          // every option, replayable
	PlanFile       = "plan.json"         // what was frozen
	EventsFile     = "events.jsonl"      // what happened
	CheckpointsDir = "checkpoints"       // last.safetensors and best.safetensors
	ModelFile      = "model.onnx"        // the tuned model
	DeltaFile      = "delta.safetensors" // what it has in addition to the base, see tuned.Apply
	AdapterDir     = "adapter"           // of LoRA, in the layout of peft
	SealFile       = "seal.json"         // digests of the frozen tensors before and after
	LabelsFile     = "labels.txt"        // the names of the tuned model's scores, one a line
	ReportFile     = "report.html"       // for a person to read
	FactsFile      = "report.json"       // what that shows beside the events
	FederationFile = "federation.json"   // of a federation alone: how it goes on
)

var runFiles = []string{RunFile, PlanFile, EventsFile, CheckpointsDir, ModelFile, DeltaFile, AdapterDir, SealFile, ReportFile, FactsFile, FederationFile}

// besideFiles say for other programs what the tuned model's record says. Other models have such
// files too.
var besideFiles = []string{LabelsFile, feed.PreprocessFile, feed.FrontEndFile, feed.TokenizerFile, feed.TokenizerConfigFile}

// RunDir is a directory that holds one run.
type RunDir struct{ Path string }

// CheckRunDir errors if path cannot hold a new run because it is a file, may not be written to, or holds
// another run or a file that the run would overwrite. It writes nothing.
func CheckRunDir(path string) error {
	st, err := os.Stat(path)
	switch {
	case err == nil && !st.IsDir():
		return option.Errorf("out", "%s is a file, not a folder", path)
	}
	if err := atomicfile.CheckDir(path); err != nil {
		return option.Errorf("out", "%w", err)
	}
	for _, name := range runFiles {
		if _, err := os.Lstat(filepath.Join(path, name)); err == nil {
			return option.Errorf("out", "%s holds another run (%s): name another folder, or option resume to go on with it", path, name)
		}
	}
	for _, name := range besideFiles {
		if _, err := os.Lstat(filepath.Join(path, name)); err == nil {
			return option.Errorf("out", "%s holds %s, which the run would overwrite: name another folder", path, name)
		}
	}
	return nil
}

// CreateRunDir makes the directory for a new run and records its options. It errors under the
// conditions of CheckRunDir.
func CreateRunDir(path string, c *config.Config) (*RunDir, error) {
	if err := CheckRunDir(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(path, CheckpointsDir), 0o777); err != nil {
		return nil, err
	}
	d := &RunDir{path}
	b, err := c.YAML()
	if err != nil {
		return nil, err
	}
	return d, d.WriteFile(RunFile, b)
}

// Restart makes the directory that of another run, with other options. It removes what the run before
// it left, but for the model and the files beside it: these serve until the new run writes its own.
func (d *RunDir) Restart(c *config.Config) error {
	boards, err := d.boards()
	if err != nil {
		return err
	}
	for _, name := range append(boards, runFiles...) {
		if name == ModelFile {
			continue
		}
		if err := os.RemoveAll(d.File(name)); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(d.File(CheckpointsDir), 0o777); err != nil {
		return err
	}
	b, err := c.YAML()
	if err != nil {
		return err
	}
	return d.WriteFile(RunFile, b)
}

// OpenRunDir opens the directory of an existing run and returns its recorded options. It errors if
// there is none.
func OpenRunDir(path string) (*RunDir, *config.Config, error) {
	d := &RunDir{path}
	c, err := config.LoadConfig(d.File(RunFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, noRun(path)
	}
	if err != nil {
		return nil, nil, err
	}
	return d, &c, nil
}

func noRun(path string) error {
	return option.Errorf("out", "%s holds no run: it has no %s", path, RunFile)
}

// Federation reports whether the directory holds a federation.
func (d *RunDir) Federation() bool {
	_, err := os.Lstat(d.File(FederationFile))
	return err == nil
}

// OfFit errors where the directory holds a federation, which a fit cannot go on with.
func (d *RunDir) OfFit() error {
	if d.Federation() {
		return option.Errorf("out", "%s holds a federation, which a fit cannot go on with: federate goes on with it, and a fit can begin with its %s", d.Path, ModelFile)
	}
	return nil
}

// File returns the path of a file of the run.
func (d *RunDir) File(name string) string { return filepath.Join(d.Path, name) }

// WriteFile writes a file of the run atomically.
func (d *RunDir) WriteFile(name string, b []byte) error {
	return atomicfile.Write(d.File(name), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// OpenLog opens the run's event log for appending.
func (d *RunDir) OpenLog() (*report.Log, error) { return report.OpenLog(d.File(EventsFile)) }

// SaveCheckpoint makes c the run's last checkpoint. It returns the event that describes it.
func (d *RunDir) SaveCheckpoint(c *Checkpoint) (*report.CheckpointEvent, error) {
	last := d.File(LastCheckpoint)
	if err := SaveCheckpoint(last, c); err != nil {
		return nil, err
	}
	st, err := os.Stat(last)
	if err != nil {
		return nil, err
	}
	return &report.CheckpointEvent{Epoch: c.State.Epoch + 1, Step: c.State.Step, Path: LastCheckpoint, Bytes: st.Size()}, nil
}

// LoadCheckpoint reads LastCheckpoint or BestCheckpoint. It errors if there is none yet.
func (d *RunDir) LoadCheckpoint(name string) (*Checkpoint, error) {
	c, err := LoadCheckpoint(d.File(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s has no checkpoint %s", d.Path, name)
	}
	return c, err
}
