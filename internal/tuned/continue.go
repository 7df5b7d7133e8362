package tuned

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/decode"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tokenize"
)

// Continuation says how to continue a text.
type Continuation struct {
	Tokens int // maximum number
	decode.Sampler
}

// Continue continues texts with a language model. It returns the complete texts, and notes on how
// they were computed. It errors if the model has another task.
func (p *Predictor) Continue(ctx context.Context, texts []string, c Continuation) ([]Prediction, []string, error) {
	f, err := p.languageModel()
	if err != nil {
		return nil, nil, err
	}
	longest := 0
	for _, text := range texts {
		longest = max(longest, len(beginning(f.Tokenizer, text)))
	}
	out := make([]Prediction, len(texts))
	var notes []string
	for i, text := range texts {
		all, note, err := p.tokens(ctx, f, text, longest, c, func([]int, int) bool { return true })
		if err != nil {
			return nil, nil, err
		}
		if note != "" && i == 0 {
			notes = append(notes, note)
		}
		whole := f.Tokenizer.Decode(all)
		out[i] = Prediction{Input: text, Answer: task.Answer{Text: &whole}}
	}
	return out, notes, nil
}

// Generate continues a text and passes on new text piece by piece, until emit returns false or the
// text ends. Pieces contain whole characters. The prompt, as the tokenizer spells it, followed by
// all pieces is what Continue returns.
func (p *Predictor) Generate(ctx context.Context, text string, c Continuation, emit func(piece string) bool) error {
	f, err := p.languageModel()
	if err != nil {
		return err
	}
	said, going := "", true
	say := func(all []int, last bool) bool {
		now := f.Tokenizer.Decode(all)
		// otherwise a character is incomplete
		if last || strings.HasPrefix(now, said) && !strings.HasSuffix(now, "\ufffd") {
			if piece := now[min(len(said), len(now)):]; piece != "" {
				going = emit(piece)
			}
			said = now
		}
		return going
	}
	all, _, err := p.tokens(ctx, f, text, 0, c, func(all []int, prompt int) bool {
		if said == "" {
			said = f.Tokenizer.Decode(all[:prompt])
		}
		return say(all, false)
	})
	if err == nil && going {
		say(all, true)
	}
	return err
}

// Continues reports whether the model can continue texts.
func (p *Predictor) Continues() bool {
	_, texts := p.Feed.(*feed.Texts)
	return texts && task.KindOf(p.Task).Tokens
}

func (p *Predictor) languageModel() (*feed.Texts, error) {
	f, ok := p.Feed.(*feed.Texts)
	if !ok || !p.Continues() {
		return nil, fmt.Errorf("the model was tuned to %s, not to continue texts", p.Task.Name())
	}
	return f, nil
}

// tokens generates the tokens after a text, with a generator that has room for a prompt of at least
// the given length. It returns all tokens, including the prompt's, and the generator's note. After
// each token it calls emit with all tokens so far and the length of the prompt. It stops if emit
// returns false.
func (p *Predictor) tokens(ctx context.Context, f *feed.Texts, text string, room int, c Continuation, emit func(all []int, prompt int) bool) ([]int, string, error) {
	t := f.Tokenizer
	prompt := beginning(t, text)
	if err := p.texts.enter(ctx); err != nil {
		return nil, "", err
	}
	defer p.texts.leave()
	g, of, err := p.generators.take(ctx, roomFor(max(room, len(prompt))+c.Tokens, f.MaxLength()))
	if err != nil {
		return nil, "", err
	}
	defer p.generators.give(of, g)
	ends := endTokens(t)
	all := slices.Clone(prompt)
	err = g.Continue(ctx, prompt, c.Tokens, c.Sampler, func(token int) bool {
		if slices.Contains(ends, token) {
			return false
		}
		all = append(all, token)
		return emit(all, len(prompt))
	})
	return all, g.Note(), err
}

// beginning returns a text as ids, with the special tokens before it but not those after it.
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

// endTokens returns the tokens that end a text, under their usual spellings.
func endTokens(t *tokenize.Tokenizer) []int {
	var out []int
	for _, s := range []string{"<s>", "</s>", "<eos>", "<bos>", "<|endoftext|>", "<|end_of_text|>", "<|begin_of_text|>"} {
		if id, ok := t.ID(s); ok {
			out = append(out, id)
		}
	}
	return out
}

// roomStep is the multiple to which the room for tokens is rounded up, so that few generators serve
// texts of many lengths.
const roomStep = 64

// roomFor returns room for at least n tokens. If n is within the model's limit, so is the result,
// as the model's table of positions may end there.
func roomFor(n, most int) int {
	room := (max(n, 2) + roomStep - 1) / roomStep * roomStep
	if room > most {
		room = max(n, 2, min(most, room))
	}
	return room
}
