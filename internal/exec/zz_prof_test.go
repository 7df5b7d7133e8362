package exec

import (
	"context"
	"fmt"
	"os"
	"sort"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func TestProf(t *testing.T) {
	path := os.Getenv("PROF_MODEL")
	if path == "" {
		t.Skip()
	}
	m, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	in := m.Graph.Inputs[0]
	s := in.Type.Shape.Clone()
	s[0] = 16
	fmt.Sscan(os.Getenv("PROF_BATCH"), &s[0])
	for i := range s {
		if s[i] < 0 {
			s[i] = 224
		}
	}
	g, err := Specialise(m.Graph, map[string]tensor.Shape{in.Name: s})
	if err != nil {
		t.Fatal(err)
	}
	Freeze(g, func(*ir.Value) bool { return true })
	if err := Simplify(g); err != nil {
		t.Fatal(err)
	}
	p, err := Compile(g)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("PROF_PRINT") != "" {
		fmt.Println(p.Graph())
	}
	x := tensor.New(in.Type.DType, s...)
	if _, err := p.Run(context.Background(), x); err != nil {
		t.Fatal(err)
	}
	best := time.Hour
	for range 5 {
		t0 := time.Now()
		p.Run(context.Background(), x)
		best = min(best, time.Since(t0))
	}
	fmt.Println("best", best, "arena MB", p.ArenaBytes()>>20)
	ts, _ := p.Profile(context.Background(), x)
	by := map[string]time.Duration{}
	cnt := map[string]int{}
	for _, t := range ts {
		by[t.Node.Op] += t.Time
		cnt[t.Node.Op]++
	}
	var ops []string
	for k := range by {
		ops = append(ops, k)
	}
	sort.Slice(ops, func(i, j int) bool { return by[ops[i]] > by[ops[j]] })
	for _, o := range ops {
		fmt.Printf("%-24s %3d %v\n", o, cnt[o], by[o])
	}
	sort.Slice(ts, func(i, j int) bool { return ts[i].Time > ts[j].Time })
	for _, t := range ts[:min(14, len(ts))] {
		fmt.Printf("  %v %s %s %v <- %v\n", t.Time, t.Node.Op, t.Node.Name, t.Node.Outputs[0].Type, t.Node.Inputs[0].Type)
	}
}
