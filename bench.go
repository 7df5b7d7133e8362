package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/inspect"
)

// BenchOptions say how a model is timed.
type BenchOptions struct {
	Batch   int  // examples a run
	Steps   int  // timed runs of each kind, after one to warm up
	Classes int  // scores of a new head, where the model has no classifier of its own
	Ops     bool // say what each operator of the forward pass takes
}

// BenchResult holds times in milliseconds per batch. Its JSON form is what bench --json prints.
type BenchResult struct {
	ForwardMin    float64  `json:"forward_ms_min"`
	ForwardMedian float64  `json:"forward_ms_median"`
	StepMin       *float64 `json:"step_ms_min"` // nil if the model accepts no classifier
	StepMedian    *float64 `json:"step_ms_median"`
	FLOPs         int64    `json:"flops"`       // of one forward pass; a multiply-add counts as two
	GFLOPS        float64  `json:"gflops"`      // of the fastest forward pass
	PeakGFLOPS    float64  `json:"peak_gflops"` // of multiply-adds in registers, on the same threads
	PeakRSS       int64    `json:"peak_rss_bytes"`
	Threads       int      `json:"threads"`

	Batch        int      `json:"batch"`
	Steps        int      `json:"steps"`
	Head         string   `json:"head,omitempty"` // the head that the step trains: keep or linear
	ParamsTotal  int      `json:"params_total,omitempty"`
	ParamsThawed int      `json:"params_thawed,omitempty"`
	ForwardBytes int64    `json:"forward_arena_bytes"` // planned memory of the forward pass
	StepBytes    int64    `json:"step_arena_bytes,omitempty"`
	Ops          []OpTime `json:"ops,omitempty"` // of the forward pass, slowest first
	Notes        []string `json:"notes,omitempty"`
}

// OpTime is the time of all nodes of one operator in a forward pass, as the median over the runs.
type OpTime struct {
	Op     string  `json:"op"` // convolutions with different windows are separate
	Nodes  int     `json:"nodes"`
	Ms     float64 `json:"ms"`
	Share  float64 `json:"share"` // of the time of all nodes
	GFLOPS float64 `json:"gflops"`
}

// Bench times a model on synthetic, seeded inputs: the forward pass as inference, with all weights
// frozen, and a training step with the weights of cfg.Thaw thawed.
func Bench(ctx context.Context, cfg Config, o BenchOptions) (*BenchResult, error) {
	if err := (*config.Config)(&cfg).Fetch(ctx); err != nil {
		return nil, badInput(err)
	}
	r, err := inspect.Bench(ctx, inspect.BenchOptions{Config: config.Config(cfg), Batch: o.Batch, Steps: o.Steps, Classes: o.Classes, Ops: o.Ops})
	if err != nil {
		return nil, badInput(err)
	}
	return &BenchResult{
		ForwardMin: r.ForwardMin, ForwardMedian: r.ForwardMedian, StepMin: r.StepMin, StepMedian: r.StepMedian,
		FLOPs: r.FLOPs, GFLOPS: r.GFLOPS, PeakGFLOPS: r.PeakGFLOPS, PeakRSS: r.PeakRSS, Threads: r.Threads,
		Batch: r.Batch, Steps: r.Steps, Head: r.Head, ParamsTotal: r.ParamsTotal, ParamsThawed: r.ParamsThawed,
		ForwardBytes: r.ForwardBytes, StepBytes: r.StepBytes,
		Ops: each(r.Ops, func(t inspect.OpTime) OpTime { return OpTime(t) }), Notes: r.Notes,
	}, nil
}
