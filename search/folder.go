package search

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/failure"
	"github.com/permafrost-ml/permafrost/internal/trials"
	"github.com/permafrost-ml/permafrost/internal/trials/page"
)

// PageFile is the name of the page in the folder of a search.
const PageFile = page.File

// LogFile is the name of the log in the folder of a search.
const LogFile = trials.LogFile

// Page returns the page of the search in a folder: one HTML file that needs no network. It errors
// under the conditions of Read.
func Page(dir string) ([]byte, error) {
	record, err := trials.ReadRecord(dir)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	var b bytes.Buffer
	if err := page.Write(&b, record, dir); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// writePage writes the page of the search in a folder, if it has one.
func writePage(dir string) error {
	if dir == "" {
		return nil
	}
	b, err := Page(dir)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, PageFile), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// leavePage writes the page of a search that ended with err, unless it ended before its log began,
// and returns err.
func leavePage(err error, dir string) error {
	if _, there := os.Stat(filepath.Join(dir, trials.LogFile)); there != nil {
		return err
	}
	return errors.Join(err, writePage(dir))
}

// Replay returns the options of the fit that a search would make of one of its trials in the end:
// on all training examples, and to its last epoch. A trial itself trains on a part of the training
// examples. For the best trial, the fit has the bits of that in the folder best. Replay errors
// under the conditions of Read, and where there is no such trial.
func Replay(dir string, trial int) (permafrost.Config, error) {
	record, err := trials.ReadRecord(dir)
	if err != nil {
		return permafrost.Config{}, failure.BadInput(err)
	}
	cfg, err := record.Replay(trial)
	if err != nil {
		return permafrost.Config{}, failure.BadInput(err)
	}
	return permafrost.Config(cfg), nil
}

// Summary is a search in a folder. Its JSON form is what search ls --json lists.
type Summary struct {
	Dir     string  `json:"dir"`
	State   string  `json:"state"` // done, unfinished or damaged
	Problem string  `json:"problem,omitempty"`
	Trials  int     `json:"trials"`  // that have begun
	Planned int     `json:"planned"` // at most
	Metric  string  `json:"metric"`
	Best    *Trial  `json:"best"` // nil while no trial has gone all the way
	Seconds float64 `json:"seconds"`
}

// List lists the searches in a folder and below it, in the order of their names. It errors where
// the folder cannot be read; a search whose log is damaged is listed with its problem.
func List(dir string) ([]Summary, error) {
	var out []Summary
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil && path == dir {
			return err
		}
		if err != nil {
			return nil // not ours to read
		}
		if d.IsDir() || d.Name() != trials.LogFile {
			return nil
		}
		s := Summary{Dir: filepath.Dir(path)}
		r, err := Read(s.Dir)
		if err != nil {
			s.State, s.Problem = "damaged", err.Error()
		} else {
			s.State, s.Trials, s.Planned, s.Metric, s.Best, s.Seconds = r.State, len(r.Trials), r.Planned, r.Metric, r.Best, r.Seconds
		}
		out = append(out, s)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = failure.BadInput(err)
	}
	return out, err
}
