package run

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// Follower describes a run that goes on: each Update reads what its folder tells since the one
// before. Its Listed has no curve. It is not safe for use from many goroutines.
type Follower struct {
	*Listed
	skip func(kind string) bool // events that are passed over; nil: none
	read int64                  // bytes of the events that were taken

	last, sitting time.Time // of the last event, and of the first one since the run began or was resumed
	worked        float64   // seconds of the sittings before
	curve         bool      // keep it
	configured    bool      // the options are those of RunFile
}

// Follow begins to follow the run in a folder that is named out. Nothing is read before the first
// Update.
func Follow(out string) *Follower {
	return &Follower{Listed: &Listed{Out: out, State: Unfinished}, skip: Frequent}
}

// Frequent reports whether events of a type come so often that a summary passes over them.
func Frequent(kind string) bool {
	return kind == "step" || kind == "epoch_start" || kind == "encoded"
}

// Update reads the events since the one before from the folder, opened as a file system, and passes
// them to each, if that is not nil. Events that are not there yet are no error.
func (f *Follower) Update(dir fs.FS, each func(report.Record)) error {
	file, err := dir.Open(EventsFile)
	if errors.Is(err, fs.ErrNotExist) { // it has only just begun
		if st, err := fs.Stat(dir, RunFile); err == nil {
			f.Began = st.ModTime()
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return err
	}
	if st.Size() < f.read { // it was begun anew
		*f = Follower{Listed: &Listed{Out: f.Out, State: Unfinished, Config: f.Config}, skip: f.skip, curve: f.curve, configured: f.configured}
	}
	if f.read == 0 && !f.curve && each == nil && f.glance(file, st.Size()) {
		return nil
	}
	if err := seek(file, f.read); err != nil {
		return err
	}
	n, err := report.ReadSome(file, f.skip, func(r report.Record) bool {
		f.event(r)
		if each != nil {
			each(r)
		}
		return true
	})
	f.read += n
	if err != nil {
		return fmt.Errorf("%s: %w", EventsFile, err)
	}
	if f.Began.IsZero() {
		return fmt.Errorf("%s holds no event: it is empty or cut off", EventsFile)
	}
	if !f.configured && f.Config.Model == "" { // it has not begun to train, or never did
		if b, err := fs.ReadFile(dir, RunFile); err == nil {
			if c, err := config.ParseConfig(b); err == nil {
				f.Config, f.Planned = c, c.Epochs
			}
		}
	}
	if !f.sitting.IsZero() {
		f.State, f.Seconds = Unfinished, f.worked+f.last.Sub(f.sitting).Seconds()
	}
	return nil
}

// event takes an event with its time.
func (f *Follower) event(r report.Record) {
	if f.Began.IsZero() {
		f.Began = r.Time
	}
	if f.sitting.IsZero() {
		f.sitting, f.worked = r.Time, f.Seconds
	}
	f.last = r.Time
	start, _ := r.Event.(*report.RunStart)
	if start != nil && !f.configured {
		if err := f.Config.UnmarshalJSON(start.Config); err != nil { // of another version: what is known of it stays
			f.Config.Model, f.Config.Data = start.Model, start.Data
		}
	}
	if _, end := r.Event.(*report.RunEnd); end {
		f.Seconds = f.worked
	}
	f.take(r.Event)
	if !f.curve {
		f.Curve = nil
	}
	if _, end := r.Event.(*report.RunEnd); end {
		f.sitting = time.Time{}
	}
}

// glanceBytes is how much of the beginning and of the end of the events a glance reads.
const glanceBytes = 64 << 10

// glance describes a run that has its result from the beginning and the end of its events. It
// reports whether that was enough.
func (f *Follower) glance(file fs.File, size int64) bool {
	at, ok := file.(io.ReaderAt)
	if !ok || size < 2 {
		return false
	}
	tail := make([]byte, min(size, glanceBytes))
	if _, err := at.ReadAt(tail, size-int64(len(tail))); err != nil || tail[len(tail)-1] != '\n' {
		return false
	}
	line := tail[bytes.LastIndexByte(tail[:len(tail)-1], '\n')+1:]
	if report.KindOf(line) != "run_end" || len(line) == len(tail) && size > int64(len(tail)) {
		return false
	}
	end, err := report.Decode(line)
	if err != nil {
		return false
	}
	if e, ok := end.Event.(*report.RunEnd); !ok || e.Result == nil || e.Status != "done" && e.Status != "stopped" {
		return false
	}
	before := *f.Listed
	_, err = report.ReadSome(io.NewSectionReader(at, 0, glanceBytes), f.skip, func(r report.Record) bool {
		f.event(r)
		return f.ParamsTotal == 0 || f.Config.Model == "" // the plan and the start of the run say the rest
	})
	if err != nil || f.ParamsTotal == 0 || f.Config.Model == "" {
		*f.Listed, f.sitting, f.worked = before, time.Time{}, 0 // they are further on
		return false
	}
	f.event(end)
	f.read = size
	return true
}

// seek goes to a place of a file that is read from its beginning.
func seek(file fs.File, to int64) error {
	if to == 0 {
		return nil
	}
	if s, ok := file.(io.Seeker); ok {
		_, err := s.Seek(to, io.SeekStart)
		return err
	}
	_, err := io.CopyN(io.Discard, file, to)
	return err
}
