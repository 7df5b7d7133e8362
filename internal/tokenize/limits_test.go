package tokenize

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// letters is a tokenizer of words a to h, ids 1 to 8, without special tokens, with truncation and
// padding as given.
func letters(t *testing.T, truncation, padding string) *Tokenizer {
	t.Helper()
	vocab := map[string]int{"[UNK]": 0}
	for i := range 8 {
		vocab[string(rune('a'+i))] = i + 1
	}
	v, err := json.Marshal(vocab)
	if err != nil {
		t.Fatal(err)
	}
	k, err := Parse(fmt.Appendf(nil, `{"model": {"type": "WordLevel", "vocab": %s, "unk_token": "[UNK]"}, "pre_tokenizer": {"type": "Whitespace"}, "truncation": %s, "padding": %s}`, v, truncation, padding))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// What a text or a pair loses, as the Rust library tokenizers cuts it.
func TestTruncationOfFile(t *testing.T) {
	for _, c := range []struct {
		direction, strategy string
		a, b                string
		most                int
		want                string
	}{
		{"Right", "LongestFirst", "a b c d", "", 3, "a b c"},
		{"Left", "LongestFirst", "a b c d", "", 3, "b c d"},
		{"Right", "LongestFirst", "a b c d", "e f g h", 7, "a b c e f g h"},
		{"Left", "LongestFirst", "a b c d", "e f g h", 7, "b c d e f g h"},
		{"Right", "LongestFirst", "a b c d e f", "e f g h", 7, "a b c d e f g"},
		{"Right", "LongestFirst", "a b", "c d e f g h", 7, "a b c d e f g"},
		{"Left", "LongestFirst", "a b", "c d e f g h", 5, "a b f g h"},
		{"Right", "OnlyFirst", "a b c d", "e f g h", 6, "a b e f g h"},
		{"Left", "OnlyFirst", "a b c d", "e f g h", 6, "c d e f g h"},
		{"Right", "OnlySecond", "a b c d", "e f g h", 6, "a b c d e f"},
		{"Right", "OnlyFirst", "a b", "e f g h", 3, "too short"},
		{"Right", "OnlySecond", "a b c d", "", 3, "a b c"},
	} {
		k := letters(t, fmt.Sprintf(`{"direction": %q, "strategy": %q, "max_length": 9, "stride": 2}`, c.direction, c.strategy), "null")
		var pair *string
		if c.b != "" {
			pair = &c.b
		}
		e := k.Encode(c.a, pair, c.most)
		var got []string
		for _, id := range e.IDs {
			got = append(got, k.Token(id))
		}
		if errors.Is(e.Err, ErrTooLong) {
			got = []string{"too short"}
		}
		if s := strings.Join(got, " "); s != c.want || k.Truncation.Length != 9 {
			t.Errorf("%+v: %s", c, s)
		}
	}
}

func TestPaddingOfFile(t *testing.T) {
	for text, want := range map[string]Padding{
		`null`: {},
		`{"strategy": "BatchLongest", "direction": "Left", "pad_id": 3, "pad_type_id": 1, "pad_to_multiple_of": 8}`: {Left: true, ID: 3, Type: 1, Multiple: 8},
		`{"strategy": {"Fixed": 128}, "direction": "Right", "pad_id": 0, "pad_to_multiple_of": null}`:               {Length: 128},
	} {
		if got := letters(t, "null", text).Padding; got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	for text, want := range map[string]string{
		`{"padding": {"direction": "Up"}}`:                       `padding: direction "Up"`,
		`{"padding": {"strategy": "Longest"}}`:                   "padding: strategy",
		`{"padding": {"pad_id": -1}}`:                            "negative",
		`{"truncation": {"strategy": "DoNot", "max_length": 2}}`: `truncation: strategy "DoNot"`,
	} {
		_, err := Parse([]byte(`{"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},` + text[1:]))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}
