package report

import (
	"os"
	"strings"
	"testing"
)

// showRun is a short run as the fit loop reports it.
func showRun(p *Progress) {
	val := sampleMetrics()
	for _, e := range []Event{
		&DataEvent{Task: "classify", Classes: []string{"a", "b"}, Train: 1451, Val: 611, Damaged: 3},
		&PlanEvent{ParamsTotal: 1000000, ParamsThawed: 2500},
		&Warning{Message: "the batch was made free"},
		&RunStart{Epochs: 10, Steps: 40},
		&Encoded{Done: 1000, Total: 2062},
		&Encoded{Done: 2062, Total: 2062},
		&CacheEvent{Where: "ram", Misses: 2062, Bytes: 3 << 20, Seconds: 4.25},
		&EpochStart{},
		&StepEvent{Step: 1, Loss: 0.5},
		&StepEvent{Step: 2, Loss: 0.4},
		&EpochEvent{Step: 4, TrainLoss: 0.45, TrainAccuracy: 0.9, Val: val, Best: true, Seconds: 75, Rate: 19.35},
		&PlanChange{Epoch: 1, Thawed: []string{"x", "y"}, ParamsThawed: 12345678},
		&StepEvent{Epoch: 1, Step: 5, Loss: 0.4},
		&RunEnd{Status: "interrupted", Epochs: 1, Seconds: 80},
	} {
		p.Emit(noon, e)
	}
}

const shownRun = `1,451 training and 611 validation examples of 2 classes; 3 damaged files skipped
training 2,500 of 1,000,000 parameters (0.25%), the rest is frozen
note: the batch was made free
frozen part computed for 2,062 examples in 4.2 s, 3.00 MiB kept in memory
epoch  1/10  train loss 0.450  accuracy 90.0%  val loss 0.750  accuracy 66.7%  1m15s  19.4 examples/s  best
epoch 2: 2 tensors thawed, 12,345,678 parameters trained from now on
interrupted after 1 whole epochs and 1m20s; option resume goes on
`

func TestProgressPlain(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	must(t, err)
	defer f.Close()
	showRun(NewProgress(f))
	b, err := os.ReadFile(f.Name())
	must(t, err)
	if string(b) != shownRun {
		t.Errorf("got:\n%s\nwant:\n%s", b, shownRun)
	}
}

// TestProgressBar: on a terminal the same lines appear, each on a cleared line, with a bar between.
func TestProgressBar(t *testing.T) {
	var b strings.Builder
	showRun(&Progress{w: &b, bars: true})
	var lines []string
	bars := 0
	for l := range strings.Lines(b.String()) {
		parts := strings.Split(l, "\r")
		for _, part := range parts[:len(parts)-1] {
			if strings.Contains(part, "|") {
				bars++
			}
		}
		if last := parts[len(parts)-1]; last != "" {
			lines = append(lines, last)
		}
	}
	if got := strings.Join(lines, ""); got != shownRun {
		t.Errorf("lines:\n%q\nwant:\n%q", got, shownRun)
	}
	if bars == 0 || !strings.Contains(b.String(), "epoch 1/10 loss 0.500") {
		t.Errorf("no bar in %q", b.String())
	}
}

func TestProgressResumed(t *testing.T) {
	var b strings.Builder
	p := &Progress{w: &b, bars: true}
	p.Emit(noon, &RunStart{Epochs: 10, Steps: 40, Resumed: true, Epoch: 5, Step: 20})
	p.Emit(noon, &StepEvent{Epoch: 5, Step: 30})
	if !strings.Contains(b.String(), "going on at epoch 6 of 10") || !strings.Contains(b.String(), "(10/20") {
		t.Errorf("%q", b.String())
	}
}

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		v      float64
		digits int
		want   string
	}{{0, 3, "0.00"}, {12345, 3, "12345"}, {1.5, 3, "1.50"}, {99.96, 3, "100.0"}, {0.0312, 3, "0.03"}, {1e-5, 2, "1e-05"}, {2.5e7, 3, "2.5e+07"}, {-3, 2, "-3.0"}} {
		if got := number(tt.v, tt.digits); got != tt.want {
			t.Errorf("number(%g, %d) is %q, want %q", tt.v, tt.digits, got, tt.want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -123456: "-123,456"} {
		if got := Count(n); got != want {
			t.Errorf("count(%d) is %q, want %q", n, got, want)
		}
	}
}
