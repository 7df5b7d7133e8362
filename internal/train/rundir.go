package train

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The files of a run directory.
const (
	RunFile        = "run.yaml"          // every option, replayable
	PlanFile       = "plan.json"         // what was frozen
	EventsFile     = "events.jsonl"      // what happened
	CheckpointsDir = "checkpoints"       // last.safetensors and best.safetensors
	ModelFile      = "model.onnx"        // the tuned model
	DeltaFile      = "delta.safetensors" // its thawed tensors alone
	SealFile       = "seal.json"         // digests of the frozen tensors before and after
	ReportFile     = "report.html"       // for a person to read
)

var runFiles = []string{RunFile, PlanFile, EventsFile, CheckpointsDir, ModelFile, DeltaFile, SealFile, ReportFile}

// RunDir is a directory that holds one run.
type RunDir struct{ Path string }

// CheckRunDir errors, and writes nothing, when path cannot take a new run because it is a file or
// holds another run.
func CheckRunDir(path string) error {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !st.IsDir():
		return fmt.Errorf("out: %s is a file, not a folder", path)
	}
	for _, name := range runFiles {
		if _, err := os.Lstat(filepath.Join(path, name)); err == nil {
			return fmt.Errorf("out: %s holds another run (%s): name another folder, or --resume to go on with it", path, name)
		}
	}
	return nil
}

// CreateRunDir makes the directory for a new run and records its options. It errors where
// CheckRunDir does.
func CreateRunDir(path string, c *Config) (*RunDir, error) {
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

// OpenRunDir opens the directory of a run that was begun before, with the options it was given. It
// errors when there is none.
func OpenRunDir(path string) (*RunDir, *Config, error) {
	d := &RunDir{path}
	c, err := LoadConfig(d.File(RunFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("out: %s holds no run: it has no %s", path, RunFile)
	}
	if err != nil {
		return nil, nil, err
	}
	return d, &c, nil
}

// File is the path of a file of the run.
func (d *RunDir) File(name string) string { return filepath.Join(d.Path, name) }

// WriteFile writes a file of the run whole or not at all.
func (d *RunDir) WriteFile(name string, b []byte) error {
	return WriteAtomic(d.File(name), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// OpenLog opens the run's event log, behind what it holds.
func (d *RunDir) OpenLog() (*Log, error) { return OpenLog(d.File(EventsFile)) }

// WriteAtomic writes the file at path through write, so that whatever happens path holds either what
// it held or all of what write wrote: a file beside it is written, flushed to the disk and renamed.
func WriteAtomic(path string, write func(io.Writer) error) (err error) {
	f, err := createTemp(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// createTemp makes a file beside path, with the permissions that a new file at path would have.
func createTemp(path string) (*os.File, error) {
	for i := 0; ; i++ {
		f, err := os.OpenFile(tempName(path, i), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, os.ErrExist) || i == 1000 {
			return f, err
		}
	}
}

func tempName(path string, i int) string { return fmt.Sprintf("%s.%d-%d.tmp", path, os.Getpid(), i) }

// syncDir makes a rename in dir last. Systems whose directories cannot be flushed have nothing to do.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}
