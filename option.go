package permafrost

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Option changes how a call interacts with its caller: where events and notes go, where data come
// from. An option that a call does not need has no effect, nor has one that is given nil.
type Option func(*options)

type options struct {
	sinks      []report.Sink
	loss       Loss
	beam       int
	threads    int
	train, val Data
	helpers    run.Helpers
	onDisk     bool
	// of a model that was not tuned, see WithPreparation
	preparation Config
}

func optionsOf(opts []Option) *options {
	o := &options{}
	for _, set := range opts {
		set(o)
	}
	return o
}

// WithData takes the training and validation examples from the program instead of from Config.Data
// and Config.Val. If val is zero, val beside train is used, or else a tenth of train is held out.
func WithData(train, val Data) Option {
	return func(o *options) { o.train, o.val = train, val }
}

// Helpers are other processes that compute a part of what the frozen part of a network makes of the
// examples. search.ShareFrozen returns some; there are no others.
type Helpers interface {
	// Close leaves them, after the last call that has them.
	Close()
}

// WithHelpers lets other processes compute a part of the frozen values that a fit needs. The result
// has the same bits, whether they are there or not.
func WithHelpers(h Helpers) Option {
	return func(o *options) { o.helpers, _ = h.(run.Helpers) }
}

// WithModelOnDisk makes a fit keep a large model file, of a MiB or more, as a copy on disk in place of
// memory: a file without a name that nobody else can open, in the folder TMPDIR, or /var/tmp where that is
// not set. The copy stays until the process ends, and equal files have one; so it is for programs that
// fit a few models. The tuned model has the same bits, and as without it, what happens to the model's
// file during the fit does not matter. It has no effect on systems other than Linux, and where the disk
// is nearly full, in memory or another machine's.
func WithModelOnDisk() Option { return func(o *options) { o.onDisk = true } }

// sets fetches what cfg names on the hub, opens the examples of WithData, and records in the
// configuration that they are given.
func (o *options) sets(ctx context.Context, cfg *Config) (s run.Sets, err error) {
	if err := (*config.Config)(cfg).Fetch(ctx, o.sinks...); err != nil {
		return s, badInput(err)
	}
	for _, d := range []struct {
		from Data
		to   *data.Place
	}{{o.train, &s.Train}, {o.val, &s.Val}} {
		if d.from.IsZero() {
			continue
		}
		if *d.to, err = d.from.open(ctx, o.sinks...); err != nil {
			return s, badInput(err)
		}
	}
	s.Helpers, s.OnDisk = o.helpers, o.onDisk
	if o.loss != nil {
		s.Loss = o.loss.internal
	}
	if !s.Train.IsZero() {
		if cfg.Data != "" && cfg.Data != run.GivenData {
			return s, badOption("data", "the examples are given by WithData and by %s: leave one out", cfg.Data)
		}
		cfg.Data = run.GivenData
	}
	return s, nil
}

// emit sends an event to every sink.
func (o *options) emit(e report.Event) {
	at := time.Now()
	for _, s := range o.sinks {
		s.Emit(at, e)
	}
}

// encoded reports how many examples have been through the frozen part of the network.
func (o *options) encoded(done, total int) {
	o.emit(&report.Encoded{Done: done, Total: total})
	if done == total {
		o.emit(&report.CacheEvent{Where: "off"}) // takes the line that moves away
	}
}

// sink is a function as a Sink.
type sink func(at time.Time, e report.Event)

func (f sink) Emit(at time.Time, e report.Event) { f(at, e) }

// OnEvent calls f with each event of a run in order, one at a time, on the goroutine that trains. f
// must not block for long.
func OnEvent(f func(Event)) Option {
	return func(o *options) {
		if f == nil {
			return
		}
		o.sinks = append(o.sinks, sink(func(at time.Time, e report.Event) {
			if e := eventOf(at, e); e != nil {
				f(e)
			}
		}))
	}
}

// WithProgress shows a run to a person on w: one line for each important event and, if w is a
// terminal, one below them that moves, with rate and remaining time. A writer that is not an *os.File counts as a
// terminal if it has a method Fd() uintptr that returns one.
func WithProgress(w io.Writer) Option {
	return func(o *options) {
		if w != nil {
			o.sinks = append(o.sinks, report.NewProgress(w))
		}
	}
}

// WithLogger logs a run on l: what a user should know at level Warn, epochs and the end at level
// Info.
func WithLogger(l *slog.Logger) Option {
	return func(o *options) {
		if l == nil {
			return
		}
		o.sinks = append(o.sinks, sink(func(_ time.Time, e report.Event) {
			switch e := e.(type) {
			case *report.Warning:
				l.Warn(e.Message)
			case *report.EpochEvent:
				l.Info("epoch", "epoch", e.Epoch, "train_loss", float64(e.TrainLoss), "val_loss", e.Val.Loss(), "best", e.Best, "seconds", e.Seconds)
			case *report.RunEnd:
				l.Info("run ended", "status", e.Status, "epochs", e.Epochs, "best_epoch", e.BestEpoch, "seconds", e.Seconds)
			}
		}))
	}
}
