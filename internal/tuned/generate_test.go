package tuned

import (
	"context"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/decode"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// TestGenerator: a text goes on alike with and without the cache, best token by token and drawn.
func TestGenerator(t *testing.T) {
	m, err := onnx.Open(shared.Path(t, "models", "stories260k.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	cached, err := NewGenerator(m.Graph, 20)
	if err != nil {
		t.Fatal(err)
	}
	if cached.Note() != "" {
		t.Fatal(cached.Note())
	}
	plain := *cached
	plain.steps = nil
	for _, s := range []decode.Sampler{{}, {Temperature: 1, TopK: 20, TopP: 0.9, Seed: 3}} {
		var texts [2][]int
		for i, g := range []*Generator{cached, &plain} {
			if err := g.Continue(context.Background(), []int{1, 403}, 100, s, func(token int) bool {
				texts[i] = append(texts[i], token)
				return true
			}); err != nil {
				t.Fatal(err)
			}
		}
		if len(texts[0]) != 18 || !slices.Equal(texts[0], texts[1]) {
			t.Errorf("%+v: with the cache %v, without %v", s, texts[0], texts[1])
		}
	}
	f, err := feed.Of(m, feed.Options{})
	if err != nil {
		t.Fatal(err)
	}
	long, err := generatorUpTo(m.Graph, 600, f)
	if err != nil {
		t.Fatal(err)
	}
	if long.length != 512 {
		t.Errorf("room for %d tokens, want the 512 that the model takes", long.length)
	}
	n := 0
	if err := cached.Continue(context.Background(), []int{1}, 9, decode.Sampler{}, func(int) bool { n++; return n < 4 }); err != nil || n != 4 {
		t.Errorf("stopped after %d tokens (%v), want 4", n, err)
	}
	for _, prompt := range [][]int{nil, make([]int, 20)} {
		if err := cached.Continue(context.Background(), prompt, 1, decode.Sampler{}, func(int) bool { return true }); err == nil {
			t.Errorf("a prompt of %d tokens is continued", len(prompt))
		}
	}
}
