package report

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
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
		&EpochStart{Epoch: 1},
		&StepEvent{Epoch: 1, Step: 1, Loss: 0.5},
		&StepEvent{Epoch: 1, Step: 2, Loss: 0.4},
		&EpochEvent{Epoch: 1, Step: 4, TrainLoss: 0.45, TrainAccuracy: 0.9, Val: val, Best: true, Seconds: 75, Rate: 19.35},
		&PlanChange{Epoch: 2, Thawed: []string{"x", "y"}, ParamsThawed: 12345678},
		&StepEvent{Epoch: 2, Step: 5, Loss: 0.4},
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
interrupted after 1 epoch and 1m20s; option resume goes on
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
	p.Emit(noon, &RunStart{Epochs: 10, Steps: 40, Resumed: true, Epoch: 6, Step: 20})
	p.Emit(noon, &StepEvent{Epoch: 6, Step: 30})
	if !strings.Contains(b.String(), "going on at epoch 6 of 10") || !strings.Contains(b.String(), "(10/20") {
		t.Errorf("%q", b.String())
	}
}

// TestProgressOfFastEpochs: one line a second, and always the first epoch and the last.
func TestProgressOfFastEpochs(t *testing.T) {
	for _, c := range []struct {
		epochs, ended int // planned, and done when patience ran out
		gap           time.Duration
		want          []string
	}{
		{100, 100, 3 * time.Millisecond, []string{"  1/100", "100/100"}},
		{40, 40, 100 * time.Millisecond, []string{" 1/40", "11/40", "21/40", "31/40", "40/40"}},
		{40, 13, 100 * time.Millisecond, []string{" 1/40", "11/40", "13/40"}},
		{3, 3, 2 * time.Second, []string{"1/3", "2/3", "3/3"}},
		{1, 1, time.Millisecond, []string{"1/1"}},
	} {
		var b strings.Builder
		p := &Progress{w: &b}
		p.Emit(noon, &RunStart{Epochs: c.epochs, Steps: c.epochs, Epoch: 1})
		for i := range c.ended {
			p.Emit(noon.Add(time.Duration(i)*c.gap), &EpochEvent{Epoch: i + 1, Val: sampleMetrics()})
		}
		p.Emit(noon, &RunEnd{Status: "stopped", Epochs: c.ended, BestEpoch: 1})
		var got []string
		for l := range strings.Lines(b.String()) {
			if rest, ok := strings.CutPrefix(l, "epoch "); ok {
				got = append(got, rest[:strings.Index(rest, "  train")])
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d epochs of %d every %v: %q, want %q", c.ended, c.epochs, c.gap, got, c.want)
		}
	}
}

// TestProgressOfManyPlanChanges: one line a second, with the number of those passed over.
func TestProgressOfManyPlanChanges(t *testing.T) {
	var b strings.Builder
	p := &Progress{w: &b}
	for i := range 5 {
		p.Emit(noon.Add(time.Duration(i)*400*time.Millisecond), &PlanChange{Epoch: i + 1, ParamsThawed: 7})
	}
	p.Emit(noon.Add(1900*time.Millisecond), &PlanChange{Epoch: 6, ParamsThawed: 7})
	p.Emit(noon.Add(1950*time.Millisecond), &RunEnd{Status: "done", Seconds: 2})
	want := "epoch 1: 7 parameters trained from now on\nepoch 4: 7 parameters trained from now on (2 changes more since the last line)\n" +
		"2 plan changes more since the last line\ndone in 2.0 s\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// TestProgressSaysWhatIsSo: lines that would be wrong for some runs.
func TestProgressSaysWhatIsSo(t *testing.T) {
	for _, c := range []struct {
		e    Event
		want string
	}{
		{&PlanEvent{ParamsThawed: 50, ParamsTotal: 50}, "training all 50 parameters"},
		{&PlanEvent{ParamsThawed: 99990, ParamsTotal: 100000}, "training 99,990 of 100,000 parameters (over 99.9%), the rest is frozen"},
		{&RunStart{Epochs: 6, Resumed: true, Epoch: 7, Step: 60, Over: true}, "the run is over after 6 epochs: nothing is left to train"},
		{&RunEnd{Status: "stopped", Epochs: 1, BestEpoch: 1}, "stopped after 1 epoch: no better one for a while; the best was epoch 1"},
		{&RunEnd{Status: "done", Seconds: 0.0021}, "done in 2.1 ms"},
		{&RunEnd{Status: "done", Seconds: 0.16}, "done in 160 ms"},
		{&RunEnd{Status: "done", Seconds: 0.99}, "done in 1.0 s"},
	} {
		var b strings.Builder
		(&Progress{w: &b}).Emit(noon, c.e)
		if strings.TrimSpace(b.String()) != c.want {
			t.Errorf("%+v: %q, want %q", c.e, b.String(), c.want)
		}
	}
	for v, want := range map[float64]string{19.35: "19.4", 927003.4: "927,000", 1.2934e6: "1,290,000", 1000: "1,000"} {
		if got := rate(v); got != want {
			t.Errorf("rate(%g) is %q, want %q", v, got, want)
		}
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
