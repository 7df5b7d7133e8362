package tuned

import (
	"context"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/decode"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tokenize"
)

// Continuation says how a text is continued.
type Continuation struct {
	Tokens int // at most
	decode.Sampler
}

// Continue continues texts with a language model, and returns them whole, with what there is to say of how it was done.
// It errors on a model of another task.
func (p *Predictor) Continue(ctx context.Context, texts []string, c Continuation) ([]Prediction, []string, error) {
	f, ok := p.Feed.(*feed.Texts)
	if !ok || p.Task.Name() != task.NameLM {
		return nil, nil, fmt.Errorf("the model was tuned to %s, not to continue texts", p.Task.Name())
	}
	prompts := make([][]int, len(texts))
	longest := 0
	for i, text := range texts {
		prompts[i] = beginning(f.Tokenizer, text)
		longest = max(longest, len(prompts[i]))
	}
	g, err := NewGenerator(p.model.Graph, max(longest+c.Tokens, 2))
	if err != nil {
		return nil, nil, err
	}
	var notes []string
	if g.Note() != "" {
		notes = append(notes, g.Note())
	}
	ends := endTokens(f.Tokenizer)
	out := make([]Prediction, len(texts))
	for i, prompt := range prompts {
		all := slices.Clone(prompt)
		if err := g.Continue(ctx, prompt, c.Tokens, c.Sampler, func(token int) bool {
			if slices.Contains(ends, token) {
				return false
			}
			all = append(all, token)
			return true
		}); err != nil {
			return nil, nil, err
		}
		text := f.Tokenizer.Decode(all)
		out[i] = Prediction{Input: texts[i], Answer: task.Answer{Text: &text}}
	}
	return out, notes, nil
}

// beginning is a text as ids, with the special tokens that stand before it but not those behind.
func beginning(t *tokenize.Tokenizer, text string) []int {
	whole, words := t.Encode(text, nil, 0).IDs, t.Words(text)
	if len(words) == 0 {
		return whole[:min(1, len(whole))]
	}
	for i := 0; i+len(words) <= len(whole); i++ {
		if slices.Equal(whole[i:i+len(words)], words) {
			return whole[:i+len(words)]
		}
	}
	return whole
}

// endTokens are the tokens that end a text, as tokenizers usually spell them.
func endTokens(t *tokenize.Tokenizer) []int {
	var out []int
	for _, s := range []string{"<s>", "</s>", "<eos>", "<bos>", "<|endoftext|>", "<|end_of_text|>", "<|begin_of_text|>"} {
		if id, ok := t.ID(s); ok {
			out = append(out, id)
		}
	}
	return out
}
