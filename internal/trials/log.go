package trials

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/search/space"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// LogFile is the name of the log in the folder of a search: a header, then a line for every task
// that started and one for every result. Every line ends with a checksum.
// It is the truth about a search: what is in it is not run again.
const LogFile = "search.jsonl"

// Header is the first line of a log: what the search is of. A search is resumed only where all of
// it is the same.
type Header struct {
	Version    int         `json:"version"`
	ID         string      `json:"id,omitempty"` // of this search, among those that share workers
	Tool       string      `json:"permafrost"`   // version of the program that began it
	Model      string      `json:"model"`        // SHA-256 of the file
	Data       string      `json:"data"`         // digest of the training examples
	Options    string      `json:"options"`      // YAML of what all trials share, as the user gave it
	Space      string      `json:"space"`        // YAML
	Algorithm  string      `json:"algorithm"`
	Objectives []Objective `json:"objectives"`
	Trials     int         `json:"trials"`
	Lag        int         `json:"lag"`
	Rungs      []int       `json:"rungs,omitempty"` // percent of the epochs
	Seed       uint64      `json:"seed"`
	Async      bool        `json:"async,omitempty"`
	Prior      bool        `json:"prior,omitempty"` // ordered the trials that depend on no results
	Metric     string      `json:"metric"`
	Parts      int         `json:"parts"`
	Examples   int         `json:"examples"`
	HeldOut    int         `json:"held_out"`
	Notes      []string    `json:"notes,omitempty"`
}

// version is that of the log's form.
const version = 1

// Entry is a line of a log after the header: a task that started, its result, or the end of the
// search.
type Entry struct {
	At      time.Time   `json:"at"`
	Trial   int         `json:"trial"`
	Rung    int         `json:"rung"`
	Point   space.Point `json:"point"`
	Worker  string      `json:"worker,omitempty"`  // "" for the process of the search
	Began   *time.Time  `json:"began,omitempty"`   // by the worker's clock, of a result
	Outcome *Outcome    `json:"outcome,omitempty"` // nil where the task started
	Final   *Final      `json:"final,omitempty"`   // of the last line, whose trial is the best
}

// Final is how the best trial does, trained on all training examples, on the validation examples.
type Final struct {
	Accuracy float64     `json:"accuracy"`
	Metric   *task.Named `json:"metric,omitempty"` // of tasks other than classify
	Loss     float64     `json:"loss"`
	Seconds  float64     `json:"seconds"` // of the whole search
}

// Log appends to the log of a search. Each result is on disk when Append returns; the beginning of a
// task, by which nothing is decided, some time later.
type Log struct{ f *os.File }

// CreateLog begins a log. It errors where the file exists.
func CreateLog(path string, h *Header) (*Log, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	b, err := lineOf(h)
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Sync()
	}
	return &Log{f}, err
}

// OpenLog reads a log and opens it to go on. A last line that a killed process left unfinished is
// removed; any other line that is not as it was written is an error.
func OpenLog(path string) (*Log, *Header, []Entry, error) {
	h, entries, end, err := ReadLog(path)
	if err != nil {
		return nil, nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := f.Truncate(end); err != nil {
		return nil, nil, nil, err
	}
	_, err = f.Seek(end, io.SeekStart)
	return &Log{f}, h, entries, err
}

// ReadLog reads a log, up to end.
func ReadLog(path string) (h *Header, entries []Entry, end int64, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, 0, err
	}
	return readLog(path, b)
}

// readLog reads the bytes of a log, which errors call path.
func readLog(path string, b []byte) (h *Header, entries []Entry, end int64, err error) {
	for n := 1; ; n++ {
		text, rest, whole := bytes.Cut(b[end:], []byte("\n"))
		if !whole {
			break // empty, or what a killed process left
		}
		body, ok := unsealed(text)
		if !ok {
			return nil, nil, 0, fmt.Errorf("%s, line %d: the line is not as it was written (its checksum differs): restore the file, or begin another search", path, n)
		}
		if n == 1 {
			h = new(Header)
			err = json.Unmarshal(body, h)
		} else {
			var e Entry
			err = json.Unmarshal(body, &e)
			entries = append(entries, e)
		}
		if err != nil {
			return nil, nil, 0, fmt.Errorf("%s, line %d: %w", path, n, err)
		}
		end = int64(len(b) - len(rest))
	}
	if h == nil {
		return nil, nil, 0, fmt.Errorf("%s: the log has no first line: begin another search", path)
	}
	return h, entries, end, nil
}

// Append writes entries, at the cost of one flush to the disk for all of them.
func (l *Log) Append(entries ...Entry) error {
	var b []byte
	results := false
	for _, e := range entries {
		line, err := lineOf(e)
		if err != nil {
			return err
		}
		b = append(b, line...)
		results = results || e.Outcome != nil || e.Final != nil
	}
	if _, err := l.f.Write(b); err != nil || !results {
		return err
	}
	return l.f.Sync()
}

// lineOf is the line of a header or an entry.
func lineOf(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return append(sealed(b), '\n'), nil
}

// sealed adds to a JSON object a last key with the checksum of the object without it.
func sealed(object []byte) []byte {
	return fmt.Appendf(nil, "%s,%s%08x\"}", object[:len(object)-1], sumKey, crc32.ChecksumIEEE(object))
}

const sumKey = `"crc32":"`

// unsealed takes the checksum away, and reports whether it is right.
func unsealed(line []byte) (object []byte, ok bool) {
	at := len(line) - len(`,`+sumKey+`00000000"}`)
	if at < 1 {
		return nil, false
	}
	object = append(slices.Clone(line[:at]), '}')
	return object, bytes.Equal(sealed(object), line)
}

// Close closes the file.
func (l *Log) Close() error { return l.f.Close() }
