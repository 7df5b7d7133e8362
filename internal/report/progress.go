package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/terminal"
)

// Progress is the sink that shows a run to a person. It writes one line for each important event
// and, on a terminal, a line below them that moves: how far, how fast, how long still.
type Progress struct {
	live   *terminal.Live
	bar    *bar   // what moves
	metric string // of the last epoch
	params int    // of the model
	thawed int    // of them
	epochs int    // planned
	steps  int    // planned

	said time.Time   // when the last line of an epoch was written
	held *EpochEvent // the last epoch, if it has no line yet

	changed time.Time // when the last line of a plan change was written
	passed  int       // plan changes since then without a line
}

// lineEvery is the time between the lines of two epochs, and between those of two plan changes. The
// first epoch and the last one have lines whenever they end.
const lineEvery = time.Second

// lineFrom is the size in bytes from which a downloaded file has a line.
const lineFrom = 1 << 20

// NewProgress returns a sink that writes to w. It shows the line that moves if w is a terminal, which
// is a file or a writer with the Fd of one.
func NewProgress(w io.Writer) *Progress { return &Progress{live: terminal.NewLive(w)} }

// Emit shows e.
func (p *Progress) Emit(at time.Time, e Event) {
	switch e := e.(type) {
	case *RunStart:
		p.epochs, p.steps = e.Epochs, e.Steps
		p.said, p.held, p.changed, p.passed = time.Time{}, nil, time.Time{}, 0
		switch {
		case e.Over:
			p.line("the run is over after %s: nothing is left to train", Epochs(e.Epoch-1))
		case e.Resumed:
			p.line("going on at epoch %d of %d, after %d steps", e.Epoch, e.Epochs, e.Step)
		}
	case *DataEvent:
		p.line("%s", dataLine(e))
	case *PlanEvent:
		p.params, p.thawed = e.ParamsTotal, e.ParamsThawed
		p.line("%s", planLine(e))
	case *Download:
		p.move(at, inMiB, e.File, int(e.Size), int(e.Done))
		if e.Done == e.Size {
			if p.endBar(); e.Size >= lineFrom {
				did := "fetched"
				if e.Up {
					did = "sent"
				}
				p.line("%s %s, %s", did, e.File, ByteCount(e.Size))
			}
		}
	case *Encoded:
		p.move(at, inExamples, "frozen part", e.Total, e.Done)
	case *CacheEvent:
		p.endBar()
		if e.Where != "off" {
			found := ""
			if e.Hits > 0 {
				found = fmt.Sprintf("found for %s examples, ", Count(e.Hits))
			}
			p.line("frozen part %scomputed for %s examples in %s, %s kept %s", found, Count(e.Near+e.Misses), seconds(e.Seconds), ByteCount(e.Bytes), where(e.Where))
		}
	case *StepEvent:
		p.train(at, e)
	case *EpochEvent:
		p.held, p.metric = e, ""
		if e.Val != nil {
			p.metric = MetricText(e.Val.Named(), e.Val.Accuracy())
		}
		if p.said.IsZero() || e.Epoch == p.epochs || at.Sub(p.said) >= lineEvery {
			p.said = at
			p.sayHeld()
		}
	case *TrialEvent:
		p.line("round %d  thaw %s at %.3g, %s: %s on %d held-out examples, %s", e.Rung, strings.Join(e.Thaw, ","), e.LR, Epochs(e.Epochs),
			number(float64(e.Score), 4), e.HeldOut, seconds(e.Seconds))
	case *ChoiceEvent:
		p.line("%s", e.Text)
	case *PlanChange:
		p.thawed = e.ParamsThawed
		if !p.changed.IsZero() && at.Sub(p.changed) < lineEvery {
			p.passed++
			return
		}
		before := ""
		if p.passed > 0 {
			before = fmt.Sprintf(" (%s more since the last line)", Counted(p.passed, "change"))
		}
		p.changed, p.passed = at, 0
		p.sayHeld()
		p.line("epoch %d: %s%s", e.Epoch, planChangeText(e), before)
	case *Warning:
		p.line("note: %s", e.Message)
	case *RunEnd:
		p.endBar()
		p.sayHeld()
		if p.passed > 0 {
			p.line("%s more since the last line", Counted(p.passed, "plan change"))
			p.passed = 0
		}
		p.end(e)
	}
}

// sayHeld writes the line of the last epoch, unless it has one. It counts the plan changes that
// have no line.
func (p *Progress) sayHeld() {
	more := ""
	if p.passed > 0 {
		more = fmt.Sprintf("  (%s more)", Counted(p.passed, "plan change"))
	}
	if p.held != nil {
		p.line("%s%s", p.epochLine(p.held), more)
		p.held, p.passed = nil, 0
	}
}

// line writes one line, above the one that moves if there is one.
func (p *Progress) line(format string, args ...any) { p.live.Print(fmt.Sprintf(format, args...)) }

func (p *Progress) epochLine(e *EpochEvent) string {
	width := len(fmt.Sprint(p.epochs))
	var b strings.Builder
	fmt.Fprintf(&b, "epoch %*d/%d  train loss %s  %s", width, e.Epoch, p.epochs,
		number(float64(e.TrainLoss), 4), MetricText(e.TrainMetric, float64(e.TrainAccuracy)))
	if e.Val != nil {
		fmt.Fprintf(&b, "  val loss %s  %s", number(e.Val.Loss(), 4), MetricText(e.Val.Named(), e.Val.Accuracy()))
	}
	fmt.Fprintf(&b, "  %s  %s examples/s", seconds(e.Seconds), rate(e.Rate))
	if e.Best {
		b.WriteString("  best")
	}
	return b.String()
}

// MetricText formats a task's metric for a person. Without a metric it formats the accuracy.
func MetricText(m *task.Named, accuracy float64) string {
	switch {
	case m == nil:
		return "accuracy " + Percentage(accuracy)
	case m.Value == nil:
		return m.Name + " NaN"
	case m.Name == "error_rate":
		return "error rate " + Percentage(*m.Value)
	}
	return strings.ReplaceAll(m.Name, "_", " ") + " " + number(*m.Value, 4)
}

func (p *Progress) end(e *RunEnd) {
	switch e.Status {
	case "stopped":
		p.line("stopped after %s: no better one for a while; the best was epoch %d", Epochs(e.Epochs), e.BestEpoch)
	case "interrupted":
		p.line("interrupted after %s and %s; option resume goes on", Epochs(e.Epochs), seconds(e.Seconds))
	case "done":
		p.line("done in %s", seconds(e.Seconds))
	}
}

// planLine says how much of the model trains.
func planLine(e *PlanEvent) string {
	what := "training"
	if e.Schedule != "" {
		what = "schedule " + e.Schedule + " over"
	}
	if e.ParamsThawed == e.ParamsTotal {
		return fmt.Sprintf("%s all %s parameters", what, Count(e.ParamsTotal))
	}
	return fmt.Sprintf("%s %s of %s parameters (%s), the rest is frozen", what, Count(e.ParamsThawed), Count(e.ParamsTotal), part(e.ParamsThawed, e.ParamsTotal))
}

// part writes some of several as a percentage, never 100% where it is less.
func part(some, all int) string {
	s := fmt.Sprintf("%.3g%%", 100*float64(some)/float64(max(1, all)))
	if s == "100%" {
		return "over 99.9%"
	}
	return s
}

func dataLine(e *DataEvent) string {
	s := fmt.Sprintf("%s training and %s validation examples", Count(e.Train), Count(e.Val))
	if len(e.Classes) > 0 {
		s += fmt.Sprintf(" of %d classes", len(e.Classes))
	}
	if e.Damaged > 0 {
		s += fmt.Sprintf("; %d damaged files skipped", e.Damaged)
	}
	return s
}

func planChangeText(e *PlanChange) string {
	var parts []string
	if e.Reason != "" {
		parts = append(parts, e.Reason)
	}
	if n := len(e.Thawed); n > 0 {
		parts = append(parts, fmt.Sprintf("%d tensors thawed", n))
	}
	if n := len(e.Frozen); n > 0 {
		parts = append(parts, fmt.Sprintf("%d tensors frozen", n))
	}
	return strings.Join(append(parts, fmt.Sprintf("%s parameters trained from now on", Count(e.ParamsThawed))), ", ")
}

func where(kind string) string {
	if kind == "ram" {
		return "in memory"
	}
	return "on " + kind
}

// Count formats n with commas between thousands.
func Count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// number formats v with that many significant digits, without an exponent if it is readable so.
func number(v float64, digits int) string {
	if a := math.Abs(v); a >= 1e6 || a != 0 && a < 1e-4 || math.IsNaN(v) {
		return fmt.Sprintf("%.*g", digits, v)
	}
	whole := 1
	if a := math.Abs(v); a >= 1 {
		whole = int(math.Log10(a)) + 1
	}
	return fmt.Sprintf("%.*f", max(0, digits-whole), v)
}

func Percentage(v float64) string { return fmt.Sprintf("%.1f%%", 100*v) }

// rate writes a number of examples a second.
func rate(v float64) string {
	if v < 1000 || math.IsInf(v, 0) || math.IsNaN(v) {
		return number(v, 3)
	}
	step := math.Pow(10, math.Floor(math.Log10(v))-2)
	return Count(int(math.Round(v/step) * step))
}

func seconds(s float64) string {
	if s < 0.95 {
		return number(1000*s, 2) + " ms"
	}
	if s < 60 {
		return number(s, 2) + " s"
	}
	return time.Duration(math.Round(s) * float64(time.Second)).String()
}

// ByteCount formats n in the largest binary unit in which it is at least 1.
func ByteCount(n int64) string {
	v, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, u
	}
	return fmt.Sprintf("%s %s", number(v, 3), unit)
}
