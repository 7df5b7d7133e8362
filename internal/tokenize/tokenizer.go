// Package tokenize turns texts into token ids and back.
//
// Comes in: a tokenizer.json of Hugging Face's tokenizers, and texts or ids. Goes out: ids or
// texts. It supports BPE, WordPiece, Unigram and WordLevel models, with their normalizers,
// pre-tokenizers, post-processors and decoders. It must not know which model reads the ids.
package tokenize

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Tokenizer is a loaded tokenizer.json. It is safe for concurrent use once its fields are as they
// should be.
type Tokenizer struct {
	Truncation Truncation
	Padding    Padding

	normalize normalizer  // nil: the text is not changed
	split     splitter    // nil: the text is one word
	model     model       //
	post      postProcess // nil: nothing is added
	decoders  []decoder

	raw, normal []added // tokens recognised before and after normalization
	byID        map[int]string
	special     map[int]bool
	size        int
	own         int // size without the added tokens
}

// added is a token that is recognised in a text before the text is divided.
type added struct {
	ID      int    `json:"id"`
	Content string `json:"content"`
	Single  bool   `json:"single_word"`
	LStrip  bool   `json:"lstrip"`
	RStrip  bool   `json:"rstrip"`
	Normal  bool   `json:"normalized"`
	Special bool   `json:"special"`
}

// model turns a word into ids.
type model interface {
	ids(dst []int, word string) []int
	vocabulary() map[string]int
}

// Encoding is the input of a model for one text, or for a pair.
type Encoding struct {
	IDs   []int
	Types []int // 1 for the tokens of the second text of a pair, else 0
	Lost  int   // tokens that were dropped for the length
	Err   error // ErrTooLong; the ids are then none
}

// Load reads a tokenizer file.
func Load(path string) (*Tokenizer, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("tokenizer %s: %w", path, err)
	}
	return t, nil
}

// Parse reads the contents of a tokenizer.json. It errors on a kind of component that it does not
// support, by name.
func Parse(b []byte) (*Tokenizer, error) {
	var f struct {
		Added      []added         `json:"added_tokens"`
		Normalizer json.RawMessage `json:"normalizer"`
		Split      json.RawMessage `json:"pre_tokenizer"`
		Post       json.RawMessage `json:"post_processor"`
		Decoder    json.RawMessage `json:"decoder"`
		Model      json.RawMessage `json:"model"`
		Truncation json.RawMessage `json:"truncation"`
		Padding    json.RawMessage `json:"padding"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("not a tokenizer.json: %w", err)
	}
	if absent(f.Model) {
		return nil, fmt.Errorf("not a tokenizer.json: it has no model")
	}
	t := &Tokenizer{byID: map[int]string{}, special: map[int]bool{}}
	var err error
	if t.normalize, err = parseNormalizer(f.Normalizer); err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	if t.split, err = parseSplitter(f.Split); err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	if t.model, err = parseModel(f.Model); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if t.post, err = parsePost(f.Post); err != nil {
		return nil, fmt.Errorf("post_processor: %w", err)
	}
	if t.decoders, err = parseDecoder(f.Decoder); err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	for s, id := range t.model.vocabulary() {
		t.byID[id] = s
		t.size = max(t.size, id+1)
	}
	t.own = t.size
	pad := 0
	for _, a := range f.Added {
		if a.Content == "" || a.ID < 0 {
			return nil, fmt.Errorf("added token %d %q is empty or has no id", a.ID, a.Content)
		}
		t.byID[a.ID] = a.Content
		t.size = max(t.size, a.ID+1)
		t.special[a.ID] = a.Special
		if a.Normal && t.normalize != nil {
			a.Content = t.normalize(a.Content)
		}
		if a.Content == "" {
			continue
		}
		if a.Normal {
			t.normal = append(t.normal, a)
		} else {
			t.raw = append(t.raw, a)
		}
		if strings.Contains(strings.ToLower(a.Content), "pad") && a.Special && pad == 0 {
			pad = a.ID
		}
	}
	if t.Truncation, err = parseTruncation(f.Truncation); err != nil {
		return nil, fmt.Errorf("truncation: %w", err)
	}
	if t.Padding, err = parsePadding(f.Padding, pad); err != nil {
		return nil, fmt.Errorf("padding: %w", err)
	}
	return t, nil
}

func absent(b json.RawMessage) bool {
	b = bytes.TrimSpace(b)
	return len(b) == 0 || string(b) == "null"
}

// Size is the number of ids: the largest one plus 1.
func (t *Tokenizer) Size() int { return t.size }

// Own is Size without the tokens that were added to the vocabulary.
func (t *Tokenizer) Own() int { return t.own }

// Token is the token of an id, "" where there is none.
func (t *Tokenizer) Token(id int) string { return t.byID[id] }

// ID is the id of a token as the vocabulary spells it.
func (t *Tokenizer) ID(token string) (id int, ok bool) {
	for _, list := range [][]added{t.raw, t.normal} {
		for _, a := range list {
			if a.Content == token {
				return a.ID, true
			}
		}
	}
	id, ok = t.model.vocabulary()[token]
	return id, ok
}

// Encode turns a text, or two where pair is not nil, into at most most ids, with the special tokens
// that the model expects. What a text that is too long loses, Truncation says. A most of 0 is no
// bound.
func (t *Tokenizer) Encode(text string, pair *string, most int) Encoding {
	a := t.Words(text)
	var b []int
	if pair != nil {
		b = t.Words(*pair)
	}
	lost := 0
	if most > 0 {
		var err error
		around := len(t.around(nil, nil, pair != nil).IDs)
		if lost, err = t.Truncation.shorten(&a, &b, pair != nil, max(0, most-around)); err != nil {
			return Encoding{Err: err}
		}
	}
	e := t.around(a, b, pair != nil)
	e.Lost = lost
	if most > 0 && len(e.IDs) > most { // no room but for special tokens
		e.IDs, e.Types = e.IDs[:most], e.Types[:most]
	}
	return e
}

// around adds the special tokens.
func (t *Tokenizer) around(a, b []int, pair bool) Encoding {
	if t.post != nil {
		return t.post(a, b, pair)
	}
	e := Encoding{IDs: slices.Concat(a, b), Types: make([]int, len(a)+len(b))}
	for i := len(a); i < len(e.Types); i++ {
		e.Types[i] = 1
	}
	return e
}

// Words turns a text into ids without special tokens. Bytes that are not UTF-8 count as U+FFFD.
func (t *Tokenizer) Words(text string) []int {
	text = strings.ToValidUTF8(text, "\uFFFD")
	var out []int
	first := true
	cut(text, t.raw, func(part string, token *added) {
		if token != nil {
			out, first = append(out, token.ID), false
			return
		}
		if t.normalize != nil {
			part = t.normalize(part)
		}
		cut(part, t.normal, func(part string, token *added) {
			if token != nil {
				out, first = append(out, token.ID), false
				return
			}
			words := []string{part}
			if t.split != nil {
				words = t.split([]string{part}, first)
			}
			for _, w := range words {
				if w != "" {
					out = t.model.ids(out, w)
				}
			}
			first = false
		})
	})
	return out
}

// cut divides a text at tokens: the leftmost first, and of several there the longest.
func cut(text string, tokens []added, fn func(part string, token *added)) {
	from := 0
	for at := 0; len(tokens) > 0 && at < len(text); {
		next := -1
		var hit *added
		for i := range tokens {
			a := &tokens[i]
			rest := text[at:]
			if next >= 0 {
				rest = text[at:min(len(text), next+len(a.Content))]
			}
			k := strings.Index(rest, a.Content)
			if k < 0 {
				continue
			}
			if k += at; hit == nil || k < next || k == next && len(a.Content) > len(hit.Content) {
				next, hit = k, a
			}
		}
		if hit == nil {
			break
		}
		lo, hi := next, next+len(hit.Content)
		if hit.Single && (wordBefore(text[:lo]) || wordAfter(text[hi:])) {
			at = hi
			continue
		}
		if hit.LStrip {
			lo = max(from, len(strings.TrimRightFunc(text[:lo], unicode.IsSpace)))
		}
		if hit.RStrip {
			hi = len(text) - len(strings.TrimLeftFunc(text[hi:], unicode.IsSpace))
		}
		if lo > from {
			fn(text[from:lo], nil)
		}
		fn(text[lo:hi], hit)
		from, at = hi, hi
	}
	if from < len(text) {
		fn(text[from:], nil)
	}
}

func isWord(r rune) bool {
	return r == '_' || unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.Pc)
}

func wordBefore(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && isWord(r)
}

func wordAfter(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && isWord(r)
}

// pattern is a literal string or a regular expression.
type pattern struct {
	String *string
	Regex  *string
}

// typed is a component of the file with its type.
type typed struct {
	Type string `json:"type"`
}

func typeOf(b json.RawMessage) (string, error) {
	var t typed
	if err := json.Unmarshal(b, &t); err != nil {
		return "", err
	}
	return t.Type, nil
}
