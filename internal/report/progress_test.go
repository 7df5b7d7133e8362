package report

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/terminal"
)

// showRun is a short run as the fit loop reports it.
func showRun(p *Progress) {
	val, at := sampleMetrics(), noon
	for _, e := range []Event{
		&DataEvent{Task: "classify", Classes: []string{"a", "b"}, Train: 1451, Val: 611, Damaged: 3},
		&PlanEvent{ParamsTotal: 1000000, ParamsThawed: 2500},
		&Warning{Message: "the batch was made free"},
		&RunStart{Epochs: 10, Steps: 40},
		&Encoded{Done: 31, Total: 2062},
		&Encoded{Done: 1031, Total: 2062},
		&Encoded{Done: 2062, Total: 2062},
		&CacheEvent{Where: "ram", Misses: 2062, Bytes: 3 << 20, Seconds: 4.25},
		&EpochStart{Epoch: 1},
		&StepEvent{Epoch: 1, Step: 1, Loss: 0.5, Examples: 32},
		&StepEvent{Epoch: 1, Step: 2, Loss: 0.4, Examples: 32},
		&EpochEvent{Epoch: 1, Step: 4, TrainLoss: 0.45, TrainAccuracy: 0.9, Val: val, Best: true, Seconds: 75, Rate: 19.35},
		&PlanChange{Epoch: 2, Thawed: []string{"x", "y"}, ParamsThawed: 12345678},
		&StepEvent{Epoch: 2, Step: 5, Loss: 0.4, Examples: 32},
		&RunEnd{Status: "interrupted", Epochs: 1, Seconds: 80},
	} {
		at = at.Add(pause[e.Type()])
		p.Emit(at, e)
	}
}

// pause is the time before an event of a type.
var pause = map[string]time.Duration{"encoded": time.Second, "step": 5 * time.Second}

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

// TestProgressMoves: on a terminal the same lines stay, and one moves below them that never is wider
// than the terminal.
func TestProgressMoves(t *testing.T) {
	for _, width := range []int{120, 80, 40, 20} {
		var b strings.Builder
		showRun(&Progress{live: terminal.LiveOn(&b, terminal.Fixed(width, false))})
		var stay, moves []string
		for l := range strings.Lines(b.String()) {
			parts := strings.Split(strings.ReplaceAll(l, "\x1b[K", ""), "\r")
			if strings.HasSuffix(l, "\n") {
				stay, parts = append(stay, parts[len(parts)-1]), parts[:len(parts)-1]
			}
			moves = append(moves, parts...)
		}
		if got := strings.Join(stay, ""); got != shownRun {
			t.Errorf("%d columns: %q, want %q", width, got, shownRun)
		}
		for _, m := range moves {
			if n := terminal.Columns(m); n >= width {
				t.Errorf("%d columns: %q has %d", width, m, n)
			}
		}
		for _, want := range map[int][]string{
			120: {"frozen part  ━━━━━━━━────────   50%  0:02 left  1,000 examples/s", "epoch 2/10  ━━──────────────   12%  loss 0.400  accuracy 66.7%  1:28 left  6.40 examples/s"},
			80:  {"epoch 1/10  ────────────────    2%  loss 0.500  99.8% frozen", "epoch 2/10  ━━──────────────   12%  loss 0.400  accuracy 66.7%  1:28 left"},
			40:  {"epoch 2/10   12%  loss 0.400  1:28 left"},
			20:  {"epoch 2/10"},
		}[width] {
			if !slices.Contains(moves, want) {
				t.Errorf("%d columns: no %q in %q", width, want, moves)
			}
		}
	}
}

// TestProgressResumed: the share counts the steps that were done before, the rate does not.
func TestProgressResumed(t *testing.T) {
	var b strings.Builder
	p := &Progress{live: terminal.LiveOn(&b, terminal.Fixed(100, true))}
	p.Emit(noon, &RunStart{Epochs: 10, Steps: 40, Resumed: true, Epoch: 6, Step: 20})
	p.Emit(noon, &StepEvent{Epoch: 6, Step: 29, Examples: 8})
	p.Emit(noon.Add(time.Second), &StepEvent{Epoch: 6, Step: 30, Examples: 8})
	for _, want := range []string{"going on at epoch 6 of 10", " 75%  ", "0:10 left", "8.00 examples/s", "\x1b[33m━━━━━━━━━━━━\x1b[m\x1b[36m────\x1b[m"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in %q", want, b.String())
		}
	}
}

func TestClock(t *testing.T) {
	for v, want := range map[float64]string{0: "0:00", 6.2: "0:07", 750: "12:30", 3900: "1:05:00", 1e12: "99:59:59"} {
		if got := clock(v); got != want {
			t.Errorf("clock(%g) is %q, want %q", v, got, want)
		}
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
		p := NewProgress(&b)
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
	p := NewProgress(&b)
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
		NewProgress(&b).Emit(noon, c.e)
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
