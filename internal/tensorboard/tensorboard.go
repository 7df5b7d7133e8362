// Package tensorboard writes event files that TensorBoard reads: scalars, pictures, histograms, texts
// and hyperparameters, each at a step.
//
// It knows the format only, and not what a fit is. A file is a sequence of records; a record is an
// Event in protobuf, framed as in TFRecord files. Sources: event.proto and summary.proto of
// TensorFlow, plugin_data.proto of TensorBoard's hparams.
package tensorboard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
)

// Numbers of the fields of Event.
const (
	eventWallTime    = 1 // double, seconds since 1970
	eventStep        = 2 // int64
	eventFileVersion = 3 // string, in the first record alone
	eventSummary     = 5 // Summary
	summaryValue     = 1 // repeated Value
)

// version is what the first record of a file says.
const version = "brain.Event:2"

// Writer writes one event file. It is not for several goroutines.
type Writer struct {
	f   *os.File
	err error
}

// Name is the name of an event file that is begun at a time. TensorBoard and other readers find event
// files by the middle of it.
func Name(at time.Time) string {
	return fmt.Sprintf("events.out.tfevents.%010d.permafrost", at.Unix())
}

// Pattern matches the names that Name gives.
const Pattern = "events.out.tfevents.*.permafrost"

// Create begins a file, in place of one that is there.
func Create(path string, at time.Time) (*Writer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := &Writer{f: f}
	e := appendTime(nil, at)
	e = protowire.AppendTag(e, eventFileVersion, protowire.BytesType)
	w.record(protowire.AppendString(e, version))
	return w, w.err
}

// Reopen goes on with a file. It first leaves out the records that keep refuses; the first one, which
// names the format, always stays. What follows a damaged or unfinished record is left out too. It
// errors if there is no file, or if it is no event file.
func Reopen(path string, keep func(step int, tag string) bool) (*Writer, error) {
	old, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer old.Close()
	err = atomicfile.Write(path, func(w io.Writer) error { return copyKept(w, bufio.NewReader(old), keep) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	return &Writer{f: f}, nil
}

func copyKept(w io.Writer, r io.Reader, keep func(step int, tag string) bool) error {
	for first := true; ; first = false {
		b, err := readRecord(r)
		if err != nil && (first || !errors.Is(err, errDamaged) && err != io.EOF) {
			return fmt.Errorf("no event file: %w", err)
		}
		if err != nil {
			return nil
		}
		if !first {
			step, tag, err := head(b)
			if err != nil {
				return nil
			}
			if !keep(step, tag) {
				continue
			}
		}
		if _, err := w.Write(frame(b)); err != nil {
			return err
		}
	}
}

// Write writes values of one step as a record. After the first failure it writes nothing more.
func (w *Writer) Write(at time.Time, step int, values ...Value) {
	if len(values) == 0 {
		return
	}
	var summary []byte
	for _, v := range values {
		summary = protowire.AppendTag(summary, summaryValue, protowire.BytesType)
		summary = protowire.AppendBytes(summary, v)
	}
	e := appendTime(nil, at)
	e = protowire.AppendTag(e, eventStep, protowire.VarintType)
	e = protowire.AppendVarint(e, uint64(step))
	e = protowire.AppendTag(e, eventSummary, protowire.BytesType)
	w.record(protowire.AppendBytes(e, summary))
}

func (w *Writer) record(b []byte) {
	if w.err == nil {
		_, w.err = w.f.Write(frame(b))
	}
}

// Err is the first error of writing.
func (w *Writer) Err() error { return w.err }

// Close closes the file and returns the first error.
func (w *Writer) Close() error {
	if err := w.f.Close(); w.err == nil && !errors.Is(err, fs.ErrClosed) {
		w.err = err
	}
	return w.err
}

func appendTime(b []byte, at time.Time) []byte {
	return appendDouble(b, eventWallTime, float64(at.UnixMicro())/1e6)
}

func appendDouble(b []byte, field protowire.Number, v float64) []byte {
	b = protowire.AppendTag(b, field, protowire.Fixed64Type)
	return protowire.AppendFixed64(b, math.Float64bits(v))
}

// head reads the step of an event, and the tag of its first value.
func head(event []byte) (step int, tag string, err error) {
	err = fields(event, func(n protowire.Number, number uint64, b []byte) error {
		switch n {
		case eventStep:
			step = int(number)
		case eventSummary:
			return fields(b, func(n protowire.Number, _ uint64, value []byte) error {
				if n != summaryValue || tag != "" {
					return nil
				}
				return fields(value, func(n protowire.Number, _ uint64, b []byte) error {
					if n == valueTag {
						tag = string(b)
					}
					return nil
				})
			})
		}
		return nil
	})
	return step, tag, err
}

// fields calls f for each field of a message, with its number or its bytes.
func fields(b []byte, f func(n protowire.Number, number uint64, bytes []byte) error) error {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return protowire.ParseError(size)
		}
		b = b[size:]
		var number uint64
		var bytes []byte
		switch kind {
		case protowire.VarintType:
			number, size = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			bytes, size = protowire.ConsumeBytes(b)
		default:
			size = protowire.ConsumeFieldValue(n, kind, b)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		if err := f(n, number, bytes); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}
