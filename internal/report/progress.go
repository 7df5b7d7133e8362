package report

import (
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/permafrost-ml/permafrost/internal/task"
)

// Progress is the sink that shows a run to a person. It writes one line for each important event
// and, on a terminal, a bar below them with rate and remaining time.
type Progress struct {
	w      io.Writer
	bars   bool
	bar    *progressbar.ProgressBar
	unit   string // what the bar counts
	epochs int    // planned
	steps  int    // planned
	skip   int    // steps done before this process started
}

// NewProgress returns a sink that writes to w. It shows a bar if w is a terminal, which is a file
// or a writer with the Fd of one.
func NewProgress(w io.Writer) *Progress {
	f, ok := w.(interface{ Fd() uintptr })
	return &Progress{w: w, bars: ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"}
}

// Emit shows e.
func (p *Progress) Emit(_ time.Time, e Event) {
	switch e := e.(type) {
	case *RunStart:
		p.epochs, p.steps, p.skip = e.Epochs, e.Steps, e.Step
		if e.Resumed {
			p.line("going on at epoch %d of %d, after %d steps", e.Epoch+1, e.Epochs, e.Step)
		}
	case *DataEvent:
		p.line("%s", dataLine(e))
	case *PlanEvent:
		what := "training"
		if e.Schedule != "" {
			what = "schedule " + e.Schedule + " over"
		}
		p.line("%s %s of %s parameters (%.3g%%), the rest is frozen", what, Count(e.ParamsThawed), Count(e.ParamsTotal),
			100*float64(e.ParamsThawed)/float64(max(1, e.ParamsTotal)))
	case *Encoded:
		p.show("examples", "frozen part", e.Total, e.Done, 0)
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
		what := fmt.Sprintf("epoch %d/%d loss %s", e.Epoch+1, p.epochs, number(float64(e.Loss), 4))
		p.show("steps", what, p.steps, e.Step, p.skip)
	case *EpochEvent:
		p.line("%s", p.epochLine(e))
	case *TrialEvent:
		p.line("round %d  thaw %s at %.3g, %d epochs: %s on %d held-out examples, %s", e.Rung+1, strings.Join(e.Thaw, ","), e.LR, e.Epochs,
			number(float64(e.Score), 4), e.HeldOut, seconds(e.Seconds))
	case *ChoiceEvent:
		p.line("%s", e.Text)
	case *PlanChange:
		p.line("epoch %d: %s", e.Epoch+1, planChangeText(e))
	case *Warning:
		p.line("note: %s", e.Message)
	case *RunEnd:
		p.endBar()
		p.end(e)
	}
}

// line writes one line, above the bar if there is one.
func (p *Progress) line(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintf(p.w, format+"\n", args...)
}

// show moves the bar, which counts unit, to done of total. Of these, skipped were done before the
// bar started and do not count for the rate. what is the text in front of it.
func (p *Progress) show(unit, what string, total, done, skipped int) {
	if !p.bars || total <= skipped {
		return
	}
	if p.unit != unit {
		p.endBar()
		p.unit = unit
		p.bar = progressbar.NewOptions(total-skipped,
			progressbar.OptionSetWriter(p.w),
			progressbar.OptionSetDescription(what),
			progressbar.OptionSetWidth(20),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(),
			progressbar.OptionSetItsString(unit),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	} else {
		p.bar.Describe(what)
	}
	_ = p.bar.Set(min(done, total) - skipped)
}

func (p *Progress) endBar() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar, p.unit = nil, ""
	}
}

func (p *Progress) epochLine(e *EpochEvent) string {
	width := len(fmt.Sprint(p.epochs))
	var b strings.Builder
	fmt.Fprintf(&b, "epoch %*d/%d  train loss %s  %s", width, e.Epoch+1, p.epochs,
		number(float64(e.TrainLoss), 4), MetricText(e.TrainMetric, float64(e.TrainAccuracy)))
	if e.Val != nil {
		fmt.Fprintf(&b, "  val loss %s  %s", number(e.Val.Loss(), 4), MetricText(e.Val.Named(), e.Val.Accuracy()))
	}
	fmt.Fprintf(&b, "  %s  %s examples/s", seconds(e.Seconds), number(e.Rate, 3))
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
		p.line("stopped after %d epochs: no better one for a while; the best was epoch %d", e.Epochs, e.BestEpoch+1)
	case "interrupted":
		p.line("interrupted after %d whole epochs and %s; option resume goes on", e.Epochs, seconds(e.Seconds))
	case "done":
		p.line("done in %s", seconds(e.Seconds))
	}
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

func seconds(s float64) string {
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
