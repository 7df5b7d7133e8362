package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Event is something that happened in a run. Its JSON object, with "time" and "type" first, is a
// line of events.jsonl. docs/events.md lists every type and key.
type Event interface {
	// Type is the value of the key "type".
	Type() string
}

// Sink receives the events of a run in order, one at a time. It must not block for long.
type Sink interface {
	Emit(at time.Time, e Event)
}

// Events passes each event to every sink. It is safe for concurrent use.
type Events struct {
	mu    sync.Mutex
	sinks []Sink
	now   func() time.Time
}

// NewEvents returns a stream into the given sinks.
func NewEvents(sinks ...Sink) *Events { return &Events{sinks: sinks, now: time.Now} }

// Subscribe adds a sink for future events.
func (s *Events) Subscribe(k Sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sinks = append(s.sinks, k)
}

// Emit sends e, stamped with the current time. On a nil stream it does nothing.
func (s *Events) Emit(e Event) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.now().UTC()
	for _, k := range s.sinks {
		k.Emit(at, e)
	}
}

// Log is the sink that writes events.jsonl.
type Log struct {
	f   *os.File
	err error
}

// OpenLog opens the log at path for appending. If the last line has no newline, because the program
// was killed while writing it, OpenLog removes that line first.
func OpenLog(path string) (*Log, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	end, err := lastLineEnd(f)
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Log{f: f}, nil
}

// lastLineEnd is the offset after the last newline of f, 0 if there is none.
func lastLineEnd(f *os.File) (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	var buf [4096]byte
	for end := st.Size(); end > 0; {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return end - n + int64(i) + 1, nil
		}
		end -= n
	}
	return 0, nil
}

// Emit writes one line. After the first failure it writes nothing more, and Close returns the
// error.
func (l *Log) Emit(at time.Time, e Event) {
	if l.err != nil {
		return
	}
	line, err := encodeEvent(at, e)
	if err == nil {
		_, err = l.f.Write(line)
	}
	l.err = err
}

// Close flushes the log to disk and returns the first error since it was opened.
func (l *Log) Close() error { return errors.Join(l.err, l.f.Sync(), l.f.Close()) }

// encodeEvent returns e as a line: the object from json.Marshal, with time and type first.
func encodeEvent(at time.Time, e Event) ([]byte, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("report: event %s: %w", e.Type(), err)
	}
	head, err := json.Marshal(struct {
		Time time.Time `json:"time"`
		Type string    `json:"type"`
	}{at, e.Type()})
	if err != nil {
		return nil, err
	}
	if len(body) > 2 {
		head = append(append(head[:len(head)-1], ','), body[1:]...)
	}
	return append(head, '\n'), nil
}

// Record is a line read from events.jsonl.
type Record struct {
	Time  time.Time
	Event Event // a pointer to one of the event types; *Unknown for a type that this version lacks
}

// Unknown is an event of a type that only other versions write.
type Unknown struct {
	Name string
	Raw  json.RawMessage
}

func (u *Unknown) Type() string                 { return u.Name }
func (u *Unknown) MarshalJSON() ([]byte, error) { return u.Raw, nil }

// ReadEvents reads a log and calls f with each record until it returns false. It skips a last line
// without a newline, as it is still being written. Any other damage is an error that names the
// line.
func ReadEvents(r io.Reader, f func(Record) bool) error {
	_, err := ReadSome(r, nil, f)
	return err
}

// ReadSome is ReadEvents without the events whose type skip reports, which are not looked at. A nil
// skip reports none. It returns the bytes of the lines that it took, so that reading can go on there.
func ReadSome(r io.Reader, skip func(kind string) bool, f func(Record) bool) (read int64, err error) {
	br := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		line, err := br.ReadBytes('\n')
		if err == io.EOF {
			return read, nil
		}
		if err != nil {
			return read, err
		}
		if skip != nil && skip(KindOf(line)) {
			read += int64(len(line))
			continue
		}
		rec, err := Decode(line)
		if err != nil {
			return read, fmt.Errorf("line %d %s", n, damage(err))
		}
		read += int64(len(line))
		if !f(rec) {
			return read, nil
		}
	}
}

// KindOf is the type of the event in a line as Log writes it, and "" for any other line.
func KindOf(line []byte) string {
	_, kind := headOf(line)
	return kind
}

// headOf is what a line as Log writes it begins with.
func headOf(line []byte) (at []byte, kind string) {
	const before, key = `{"time":"`, `","type":"`
	rest, ok := bytes.CutPrefix(line, []byte(before))
	if !ok {
		return nil, ""
	}
	at, rest, ok = bytes.Cut(rest[:min(len(rest), 80)], []byte(key))
	name, _, closed := bytes.Cut(rest, []byte{'"'})
	if !ok || !closed {
		return nil, ""
	}
	return at, string(name)
}

// Decode reads a line of a log.
func Decode(line []byte) (Record, error) {
	if text, kind := headOf(line); kind != "" { // without reading the line twice
		if at, err := time.Parse(time.RFC3339Nano, string(text)); err == nil && !at.IsZero() {
			if e := newEvent(kind); e != nil {
				return Record{at, e}, json.Unmarshal(line, e)
			}
		}
	}
	var head struct {
		Time time.Time `json:"time"`
		Type string    `json:"type"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return Record{}, err
	}
	if head.Type == "" || head.Time.IsZero() {
		return Record{}, errNoEvent
	}
	e := newEvent(head.Type)
	if e == nil {
		return Record{head.Time, &Unknown{head.Type, bytes.Clone(bytes.TrimSpace(line))}}, nil
	}
	return Record{head.Time, e}, json.Unmarshal(line, e)
}

// errNoEvent says that a line lacks what every event has.
var errNoEvent = errors.New("has no type or no time")

// damage says in words why a line could not be read.
func damage(err error) string {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.Is(err, errNoEvent):
		return err.Error()
	case errors.As(err, &wrong) && wrong.Field != "":
		return fmt.Sprintf("is damaged: %q cannot be a %s", wrong.Field, wrong.Value)
	}
	return "is damaged: it is no event in JSON"
}
