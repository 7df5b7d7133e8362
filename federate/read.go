package federate

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/permafrost-ml/permafrost/internal/failure"
	"github.com/permafrost-ml/permafrost/internal/run"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/fed/page"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// The files that the folder of a federation has beside those of a run.
const (
	PageFile     = page.File        // for a person to read
	SettingsFile = fed.SettingsFile // how it goes on
)

// Read returns what the federation in a folder has come to so far, from the folder alone. Before its
// end, the validation is that of the best round. Unusable input is permafrost.ErrBadInput.
func Read(dir string) (*Result, error) {
	record, err := fed.ReadRecord(dir)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	r := &Result{State: record.State(), Refused: record.Refused, Metric: "accuracy", Seconds: record.Seconds, ParamsTotal: record.Plan.ParamsTotal, ParamsThawed: record.Plan.ParamsThawed,
		Notes: record.Warnings, Out: dir}
	r.add(&record.Settings, record.Members, record.Rounds)
	if i := record.Written(); i >= 0 {
		best := &record.Rounds[i]
		r.BestRound, r.Metric, r.ValAccuracy, r.ValLoss = best.Round, best.Metric, finite(float64(best.Accuracy)), finite(float64(best.ValLoss))
	}
	for _, e := range record.Epochs {
		r.PeakRSS = max(r.PeakRSS, e.PeakRSS)
	}
	if end := record.End; end != nil {
		r.Error, r.PeakRSS = end.Error, max(r.PeakRSS, end.PeakRSS)
	}
	return r, nil
}

// Page returns the page of the federation in a folder: one HTML file that needs no network. It errors
// under the conditions of Read.
func Page(dir string) ([]byte, error) {
	record, err := fed.ReadRecord(dir)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	var b bytes.Buffer
	if err := page.Write(&b, record, dir); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// pages writes the page of a federation while it goes on, and at its end.
type pages struct {
	dir   string // empty: there is none
	wrote time.Time
	took  time.Duration
}

// next writes the page after a round, unless that would take a good part of the time. A page that
// cannot be written does not stop the federation: last tells.
func (p *pages) next() {
	if time.Since(p.wrote) > 20*p.took {
		_ = p.last()
	}
}

// last writes the page.
func (p *pages) last() error {
	if d := (run.RunDir{Path: p.dir}); p.dir == "" || !d.Federation() { // it has not begun
		return nil
	}
	began := time.Now()
	b, err := Page(p.dir)
	if err == nil {
		err = atomicfile.Write(filepath.Join(p.dir, PageFile), func(w io.Writer) error {
			_, err := w.Write(b)
			return err
		})
	}
	p.wrote, p.took = time.Now(), time.Since(began)
	if err != nil {
		return fmt.Errorf("the page %s could not be written: %w", filepath.Join(p.dir, PageFile), err)
	}
	return nil
}

// finite is v, and 0 where it is no number, which JSON cannot have.
func finite(v float64) float64 {
	if f := task.Finite(v); f != nil {
		return *f
	}
	return 0
}
