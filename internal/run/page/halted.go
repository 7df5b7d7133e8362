package page

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// halted is what the page of a run shows that ended before its first epoch did: there are no curves.
type halted struct {
	Facts []chart.Fact
	Again []command
}

// halted is nil for a run that has an epoch, or its result.
func (r *Run) halted() *halted {
	if r.Epochs > 0 || r.State == run.Done {
		return nil
	}
	c := &r.Config
	h := &halted{Facts: []chart.Fact{{Name: "how far it came", Value: r.reached()}, {Name: "model", Value: c.Model}, {Name: "data", Value: c.Data}}}
	add := func(name, value string) {
		if value != "" {
			h.Facts = append(h.Facts, chart.Fact{Name: name, Value: value})
		}
	}
	add("thawed", r.trains())
	add("head", c.Head)
	add("asked for", fmt.Sprintf("%s in batches of %d, learning rate %s", count(r.Planned, "epoch"), c.Batch, chart.Number(c.LR)))
	h.Again = r.commands()[1:]
	return h
}

// reached says in words how far a run without a finished epoch came.
func (r *Run) reached() string {
	switch {
	case r.last.step != nil:
		s := fmt.Sprintf("step %d", r.last.step.Step)
		if n := r.Start.Steps / max(1, r.Planned); n > 0 {
			s += fmt.Sprintf(" of %d", n)
		}
		return s + " of the first epoch, where the loss was " + chart.Number(float64(r.last.step.Loss))
	case r.Start.Epochs > 0:
		return "the beginning of the first epoch, before a step"
	case r.Cache.Where != "":
		return "the frozen part was done; training had not begun"
	case r.last.encoded != nil:
		return fmt.Sprintf("the frozen part, %d of %d examples", r.last.encoded.Done, r.last.encoded.Total)
	case r.Data.Task != "":
		return fmt.Sprintf("the data were read (%d examples for training, %d for validation); the frozen part had not begun", r.Data.Train, r.Data.Val)
	}
	return "the data were not read"
}

// lastSigns are the last events of those that are frequent.
type lastSigns struct {
	step    *report.StepEvent
	encoded *report.Encoded
}

// signsBytes is how much of the end of the events holds them.
const signsBytes = 64 << 10

// readLastSigns reads the end of the events. What cannot be read has none.
func readLastSigns(dir fs.FS) (l lastSigns) {
	f, err := dir.Open(run.EventsFile)
	if err != nil {
		return l
	}
	defer f.Close()
	b, err := tail(f, signsBytes)
	if err != nil {
		return l
	}
	_, _ = report.ReadSome(bytes.NewReader(b), nil, func(rec report.Record) bool {
		switch e := rec.Event.(type) {
		case *report.StepEvent:
			l.step = e
		case *report.Encoded:
			l.encoded = e
		}
		return true
	})
	return l
}

// tail reads whole lines from the end of a file.
func tail(f fs.File, most int64) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s, ok := f.(io.Seeker)
	cut := ok && st.Size() > most
	if cut {
		if _, err := s.Seek(-most, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, most))
	if _, rest, found := bytes.Cut(b, []byte("\n")); cut && found {
		b = rest
	}
	return b, err
}
