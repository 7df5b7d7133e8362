package tuned

import (
	"context"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/decode"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Generator continues texts with a language model. The model has an input of tokens, and optionally
// a mask, positions and token types. Its last output scores the next token at every position.
type Generator struct {
	raw    ir.Graph // with only that output
	tokens string
	steps  *compile.Steps // nil: the whole text is recomputed for every token
	length int
	note   string
}

// NewGenerator makes a Generator for texts of up to length tokens, including the prompt. It errors
// if the model is not a language model.
func NewGenerator(model *ir.Graph, length int) (*Generator, error) {
	g := &Generator{raw: *model, length: length}
	if len(model.Outputs) == 0 {
		return nil, fmt.Errorf("the model has no output")
	}
	g.raw.Outputs = model.Outputs[len(model.Outputs)-1:]
	for _, v := range model.Inputs {
		if feed.RoleOf(v.Name) == feed.TokenIDs && g.tokens == "" {
			g.tokens = v.Name
		}
	}
	if g.tokens == "" {
		return nil, fmt.Errorf("the model has no input of tokens: it is no language model")
	}
	var err error
	if g.steps, err = compile.NewSteps(&g.raw, g.tokens, g.inputs, length); err != nil {
		g.note = fmt.Sprintf("%v: every token takes a pass over the whole text", err)
		if _, _, err := g.whole(2); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// generatorUpTo is NewGenerator for up to length tokens. If the model cannot take that many, because
// its table of positions ends earlier, the generator is for the length that the feed allows.
func generatorUpTo(model *ir.Graph, length int, f feed.Feed) (*Generator, error) {
	g, err := NewGenerator(model, length)
	texts, ok := f.(*feed.Texts)
	if err != nil || !ok || length <= texts.MaxLength() || g.steps != nil {
		return g, err
	}
	if _, _, err := g.whole(length); err != nil {
		return NewGenerator(model, texts.MaxLength())
	}
	return g, nil
}

// Note says why the model runs without a cache of keys and values. It is "" if it runs with one.
func (g *Generator) Note() string { return g.note }

// Continue generates up to n tokens after a prompt and passes each to emit. It stops if emit
// returns false or there is no room for more.
func (g *Generator) Continue(ctx context.Context, prompt []int, n int, s decode.Sampler, emit func(token int) bool) error {
	if len(prompt) == 0 {
		return fmt.Errorf("there is no text to continue, not even a token that begins one")
	}
	if len(prompt) >= g.length {
		return fmt.Errorf("the text has %d tokens, and there is room for %d", len(prompt), g.length)
	}
	text := append([]int(nil), prompt...)
	for done := 0; done < n && len(text) < g.length; done++ {
		scores, err := g.next(ctx, text, done == 0)
		if err != nil {
			return err
		}
		token := s.Pick(scores, len(text))
		if token < 0 {
			return fmt.Errorf("the scores of token %d are not numbers", len(text)+1)
		}
		if !emit(token) {
			return nil
		}
		text = append(text, token)
	}
	return nil
}

// next scores the token after a text. Unless first is set, all tokens but the last have been scored
// before.
func (g *Generator) next(ctx context.Context, text []int, first bool) ([]float32, error) {
	if g.steps == nil {
		program, inputs, err := g.whole(len(text))
		if err != nil {
			return nil, err
		}
		for i, t := range text {
			setInt(inputs[g.tokens], i, t)
		}
		var in []*tensor.Tensor
		for _, v := range program.Graph().Inputs {
			in = append(in, inputs[v.Name])
		}
		out, err := program.Run(ctx, in...)
		if err != nil {
			return nil, err
		}
		return out[0].F32()[out[0].Len()/len(text)*(len(text)-1):], nil
	}
	at := len(text) - 1
	if first {
		at = 0
	}
	var scores []float32
	var err error
	for ; at < len(text); at++ {
		if scores, err = g.steps.Next(ctx, text[at], at); err != nil {
			return nil, err
		}
	}
	return scores, nil
}

// whole compiles the model for a text of the given length.
func (g *Generator) whole(length int) (*compile.Program, map[string]*tensor.Tensor, error) {
	inputs := g.inputs(length)
	shapes := map[string]tensor.Shape{}
	for name, t := range inputs {
		shapes[name] = t.Shape
	}
	p, err := compile.Inference(&g.raw, shapes, compile.Memory{})
	if err != nil {
		return nil, nil, err
	}
	if out := p.Graph().Outputs[0].Type; len(out.Shape) != 3 || out.Shape[0] != 1 || out.Shape[1] != length || out.DType != tensor.Float32 {
		return nil, nil, fmt.Errorf("the model gives %v, not scores of the next token at each of %d positions", out, length)
	}
	return p, inputs, nil
}

// inputs returns the model's inputs for one text of a length: zeros for the tokens, ones for the
// mask, positions from 0, and zeros for types.
func (g *Generator) inputs(length int) map[string]*tensor.Tensor {
	out := map[string]*tensor.Tensor{}
	for _, v := range g.raw.Inputs {
		t := tensor.New(v.Type.DType, 1, length)
		for i := range length {
			switch feed.RoleOf(v.Name) {
			case feed.TokenMask:
				setInt(t, i, 1)
			case feed.TokenPlace:
				setInt(t, i, i)
			}
		}
		out[v.Name] = t
	}
	return out
}

func setInt(t *tensor.Tensor, i, v int) {
	switch t.DType {
	case tensor.Int64:
		t.I64()[i] = int64(v)
	case tensor.Int32:
		tensor.Data[int32](t)[i] = int32(v)
	case tensor.Float32:
		t.F32()[i] = float32(v)
	case tensor.Bool:
		tensor.Data[bool](t)[i] = v != 0
	}
}

// Twin makes a Generator of the same model that can continue another text at the same time. They
// share the weights.
func (g *Generator) Twin() (*Generator, error) {
	t := *g
	if g.steps != nil {
		var err error
		if t.steps, err = g.steps.Twin(); err != nil {
			return nil, err
		}
	}
	return &t, nil
}
