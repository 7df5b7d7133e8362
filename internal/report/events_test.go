package report

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/task"
)

var update = flag.Bool("update", false, "write docs/events.md")

var noon = time.Date(2024, 5, 17, 12, 0, 0, 0, time.UTC)

func collect(t *testing.T, path string) []Record {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	var out []Record
	must(t, ReadEvents(f, func(r Record) bool { out = append(out, r); return true }))
	return out
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	log, err := OpenLog(path)
	must(t, err)
	s := NewEvents(log)
	s.now = func() time.Time { return noon }
	first := []Event{
		&RunStart{Version: "1", Config: json.RawMessage(`{"model":"m.onnx"}`), Epochs: 2},
		&StepEvent{Step: 1, Loss: 0.5, LR: 1e-3},
		&EpochEvent{Val: sampleMetrics(), Best: true},
		&Warning{Message: "line\nbreak <&>"},
	}
	for _, e := range first {
		s.Emit(e)
	}
	must(t, log.Close())
	// The program is killed in the middle of a line; the next run goes on behind the whole ones.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	fmt.Fprint(f, `{"time":"2024-05-17T12`)
	must(t, f.Close())
	if got := collect(t, path); len(got) != len(first) {
		t.Errorf("%d records beside a cut line, want %d", len(got), len(first))
	}
	log, err = OpenLog(path)
	must(t, err)
	last := &RunEnd{Status: "done"}
	log.Emit(noon, last)
	must(t, log.Close())

	got := collect(t, path)
	want := append(first, last)
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i, r := range got {
		if !r.Time.Equal(noon) || !reflect.DeepEqual(r.Event, want[i]) {
			t.Errorf("record %d: %v %+v, want %+v", i, r.Time, r.Event, want[i])
		}
	}
}

func TestLogError(t *testing.T) {
	log, err := OpenLog(filepath.Join(t.TempDir(), "events.jsonl"))
	must(t, err)
	log.Emit(noon, &StepEvent{LR: math.NaN()})
	wantError(t, log.Close(), "event step")
	_, err = OpenLog(t.TempDir())
	wantError(t, err, "directory")
}

func TestReadEvents(t *testing.T) {
	in := `{"time":"2024-05-17T12:00:00Z","type":"later","x":1}
{"time":"2024-05-17T12:00:00Z","type":"step","loss":null}
`
	var got []Record
	must(t, ReadEvents(strings.NewReader(in), func(r Record) bool { got = append(got, r); return true }))
	if u, ok := got[0].Event.(*Unknown); !ok || u.Type() != "later" || !strings.Contains(string(u.Raw), `"x":1`) {
		t.Errorf("%+v", got[0].Event)
	}
	if s := got[1].Event.(*StepEvent); !math.IsNaN(float64(s.Loss)) {
		t.Errorf("null loss is read as %g", float64(s.Loss))
	}
	wantError(t, ReadEvents(strings.NewReader(in+"{\n"), func(Record) bool { return true }), "line 3")
	n := 0
	must(t, ReadEvents(strings.NewReader(in), func(Record) bool { n++; return false }))
	if n != 1 {
		t.Errorf("%d records after the reader said stop, want 1", n)
	}
}

func FuzzReadEvents(f *testing.F) {
	for _, newType := range eventTypes {
		line, err := encodeEvent(noon, newType())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = ReadEvents(strings.NewReader(string(b)), func(r Record) bool {
			if _, err := encodeEvent(r.Time, r.Event); err != nil && r.Time.Year() < 10000 {
				t.Errorf("%+v was read but is not written: %v", r.Event, err)
			}
			return true
		})
	})
}

func TestNilEvents(t *testing.T) {
	var s *Events
	s.Emit(&Warning{}) // a library user without a run directory has no stream
}

// TestEventTable: docs/events.md is the table that the event types' own tags give.
func TestEventTable(t *testing.T) {
	var b strings.Builder
	b.WriteString(eventsIntro)
	for _, newType := range eventTypes {
		e := newType()
		ty := reflect.TypeOf(e).Elem()
		fmt.Fprintf(&b, "\n## %s\n\n| key | type | what |\n|---|---|---|\n", e.Type())
		for i := range ty.NumField() {
			f := ty.Field(i)
			key, opt := strings.CutSuffix(f.Tag.Get("json"), ",omitempty")
			kind := schemaType(f.Type)
			if opt {
				kind += ", optional"
			}
			if f.Tag.Get("doc") == "" {
				t.Errorf("%s.%s has no doc", ty.Name(), f.Name)
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", key, kind, f.Tag.Get("doc"))
		}
	}
	path := filepath.Join("..", "..", "docs", "events.md")
	if *update {
		must(t, os.WriteFile(path, []byte(b.String()), 0o666))
	}
	got, err := os.ReadFile(path)
	must(t, err)
	if string(got) != b.String() {
		t.Error("docs/events.md is not what the event types say; go test ./internal/report -run EventTable -update writes it")
	}
}

func schemaType(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Number]():
		return "number or null"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "object"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "array of " + schemaType(t.Elem())
	case reflect.Struct, reflect.Pointer:
		return "object"
	}
	return t.String()
}

const eventsIntro = `# events.jsonl

A run writes one JSON object a line for everything that happens. Every line has ` + "`time`" + ` (RFC 3339, UTC) and
` + "`type`" + `, then the keys of its type.

- Optional keys are absent if they are empty or zero. null stands for a number that is not finite.
- Ignore types and keys that you do not know: more may be added, none changes its meaning.
- A resumed run appends to the file, beginning with another ` + "`run_start`" + `. Epochs between the checkpoint and the
  interruption then occur twice; the later lines count.
- A last line without a newline is still being written.
`

func sampleMetrics() *task.Metrics {
	m := task.NewMetrics(2)
	m.Add([]float32{9, 1, 1, 9, 0, 1}, []int{0, 0, 1}, []float32{0.1, 1.85, 0.3})
	return m
}
