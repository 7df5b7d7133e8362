package optim

import (
	"math"
	"testing"
)

func TestLRSchedule(t *testing.T) {
	tests := []struct {
		name string
		s    LRSchedule
		want map[int]float64 // step: rate
	}{
		{"constant", LRSchedule{Kind: "constant", Base: 2, Steps: 10}, map[int]float64{0: 2, 9: 2, 99: 2}},
		// torch.lr_scheduler.CosineAnnealingLR with T_max 10.
		{"cosine", LRSchedule{Kind: "cosine", Base: 1, Steps: 10},
			map[int]float64{0: 1, 1: 0.9755282581475768, 5: 0.5, 9: 0.0244717418524232, 10: 0.0244717418524232}},
		// torch.lr_scheduler.StepLR with step_size 3.
		{"step", LRSchedule{Kind: "step", Base: 1, Steps: 9}, map[int]float64{0: 1, 2: 1, 3: 0.1, 5: 0.1, 6: 0.01, 8: 0.01}},
		{"step gamma", LRSchedule{Kind: "step", Base: 1, Steps: 8, Gamma: 0.5, Parts: 4}, map[int]float64{1: 1, 2: 0.5, 7: 0.125}},
		{"warm-up steps", LRSchedule{Kind: "constant", Base: 1, Steps: 10, Warmup: 4}, map[int]float64{0: 0.25, 3: 1, 4: 1}},
		{"warm-up fraction", LRSchedule{Kind: "cosine", Base: 1, Steps: 20, Warmup: 0.5}, map[int]float64{0: 0.1, 9: 1, 10: 1, 15: 0.5}},
		{"warm-up longer than the run", LRSchedule{Kind: "cosine", Base: 1, Steps: 2, Warmup: 9}, map[int]float64{0: 0.5, 1: 1, 2: 1}},
		{"no steps", LRSchedule{Kind: "cosine", Base: 1}, map[int]float64{0: 1}},
	}
	for _, tt := range tests {
		for i, want := range tt.want {
			if got := tt.s.At(i); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s: rate of step %d is %g, want %g", tt.name, i, got, want)
			}
		}
	}
}

func TestLRScheduleValidate(t *testing.T) {
	ok := LRSchedule{Kind: "cosine", Base: 1e-3, Warmup: 0.1}
	must(t, ok.Validate())
	for want, change := range map[string]func(*LRSchedule){
		"none of":  func(s *LRSchedule) { s.Kind = "linear" },
		"lr 0":     func(s *LRSchedule) { s.Base = 0 },
		"lr NaN":   func(s *LRSchedule) { s.Base = math.NaN() },
		"below 0":  func(s *LRSchedule) { s.Warmup = -1 },
		"fraction": func(s *LRSchedule) { s.Warmup = 1.5 },
	} {
		s := ok
		change(&s)
		wantError(t, s.Validate(), want)
	}
}
