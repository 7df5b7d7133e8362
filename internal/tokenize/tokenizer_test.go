package tokenize

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func load(t testing.TB, name string) *Tokenizer {
	t.Helper()
	k, err := Load(filepath.Join("testdata", name+".tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// The ids are those of @huggingface/transformers on awkward texts, see testdata/reference.mjs.
func TestReference(t *testing.T) {
	b, err := os.ReadFile("testdata/ids.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][]struct {
		Text    string
		Pair    *string
		IDs     []int
		Decoded *string
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	for name, cases := range want {
		k := load(t, strings.TrimSuffix(name, " pair"))
		for _, c := range cases {
			got := k.Encode(c.Text, c.Pair, 0)
			if !slices.Equal(got.IDs, c.IDs) {
				t.Errorf("%s: %q gives %v, want %v", name, c.Text, got.IDs, c.IDs)
			}
			if c.Decoded != nil && k.Decode(c.IDs) != *c.Decoded {
				t.Errorf("%s: %v is %q, want %q", name, c.IDs, k.Decode(c.IDs), *c.Decoded)
			}
		}
	}
}

var names = []string{"bytelevel", "bytefallback", "wordpiece", "unigram"}

// A text of a megabyte without a line break takes a time that does not grow with its square.
func TestLongLine(t *testing.T) {
	text := strings.Repeat("the quick brown fox jumps over ", 1<<20/31)
	for _, name := range names {
		k := load(t, name)
		one, all := k.Words("the quick brown fox jumps over "), k.Words(text)
		if len(all) < 1<<20/31*(len(one)-2) {
			t.Errorf("%s: %d ids of a long text, %d of a part", name, len(all), len(one))
		}
	}
}

func TestTruncation(t *testing.T) {
	k := load(t, "wordpiece")
	pair := "the lazy dog"
	long := "over the quick brown fox"
	for _, c := range []struct {
		text string
		pair *string
		most int
		want string
		lost int
	}{
		{long, nil, 0, "[CLS] over the quick brown fox [SEP]", 0},
		{long, nil, 7, "[CLS] over the quick brown fox [SEP]", 0},
		{long, nil, 4, "[CLS] over the [SEP]", 3},
		{long, &pair, 9, "[CLS] over the quick [SEP] the lazy dog [SEP]", 2},
		{long, &pair, 7, "[CLS] over the [SEP] the lazy [SEP]", 4},
		{"fox", &pair, 6, "[CLS] fox [SEP] the lazy [SEP]", 1},
		{long, nil, 1, "[CLS]", 5},
	} {
		e := k.Encode(c.text, c.pair, c.most)
		var got []string
		for _, id := range e.IDs {
			got = append(got, k.Token(id))
		}
		if s := strings.Join(got, " "); s != c.want || e.Lost != c.lost || len(e.Types) != len(e.IDs) {
			t.Errorf("%q in %d: %s, %d lost; want %s, %d", c.text, c.most, s, e.Lost, c.want, c.lost)
		}
	}
	if e := k.Encode("fox", &pair, 0); !slices.Equal(e.Types, []int{0, 0, 0, 1, 1, 1, 1}) {
		t.Errorf("types of a pair: %v", e.Types)
	}
}

// table is a charsmap, base64 of a double-array trie of disjoint blocks.
func table(replace map[string]string) string {
	type node struct {
		children map[byte]*node
		value    int
	}
	root, text := &node{children: map[byte]*node{}, value: -1}, ""
	for key, with := range replace {
		n := root
		for _, c := range []byte(key) {
			if n.children[c] == nil {
				n.children[c] = &node{children: map[byte]*node{}, value: -1}
			}
			n = n.children[c]
		}
		n.value = len(text)
		text += with + "\x00"
	}
	units := make([]uint32, 256)
	var place func(n *node, at int, label uint32)
	place = func(n *node, at int, label uint32) {
		base := len(units)
		units = append(units, make([]uint32, 256)...)
		units[at] = uint32(at^base)<<10 | label
		if n.value >= 0 {
			units[at] |= 1 << 8
			units[base] = uint32(n.value) | 1<<31
		}
		for c, child := range n.children {
			place(child, base^int(c), uint32(c))
		}
	}
	place(root, 0, 0)
	b := binary.LittleEndian.AppendUint32(nil, uint32(4*len(units)))
	for _, u := range units {
		b = binary.LittleEndian.AppendUint32(b, u)
	}
	return base64.StdEncoding.EncodeToString(append(b, text...))
}

func TestCharsmap(t *testing.T) {
	n, err := parseCharsmap(table(map[string]string{"ﬁ": "fi", "½": "1/2", "e\u0301": "é", "e": "E", "\t": " "}))
	if err != nil {
		t.Fatal(err)
	}
	if got := n("a\tﬁne½ e\u0301e 東"); got != "a finE1/2 éE 東" {
		t.Errorf("%q", got)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"", "not a tokenizer.json"},
		{"{}", "has no model"},
		{`{"model":{"type":"Magic","vocab":{}}}`, `model: kind "Magic"`},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}`, "vocabulary lacks"},
		{`{"model":{"type":"Unigram","vocab":[["a",0]],"unk_id":3}}`, "unk_id 3"},
		{`{"normalizer":{"type":"Odd"},"model":{"type":"WordLevel","vocab":{"a":0}}}`, `normalizer: kind "Odd"`},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"("},"behavior":"Removed"},"model":{"type":"WordLevel","vocab":{"a":0}}}`, "pattern"},
		{`{"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}}]},"model":{"type":"WordLevel","vocab":{"a":0}}}`, "special_tokens"},
	} {
		if _, err := Parse([]byte(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.file, err, c.want)
		}
	}
}

// No text makes a tokenizer give an id that it does not have, nor Decode fail.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "the fox", "<s>\x00\xff 😀", "\u202eab e\u0301"} {
		f.Add(s)
	}
	var all []*Tokenizer
	for _, name := range names {
		all = append(all, load(f, name))
	}
	f.Fuzz(func(t *testing.T, s string) {
		for i, k := range all {
			e := k.Encode(s, &s, 16)
			if len(e.IDs) > 16 {
				t.Errorf("%s: %d ids", names[i], len(e.IDs))
			}
			for _, id := range e.IDs {
				if id < 0 || id >= k.Size() {
					t.Errorf("%s: id %d of %d", names[i], id, k.Size())
				}
			}
			k.Decode(k.Words(s))
		}
	})
}

// No file makes the reader fail but by an error.
func FuzzParse(f *testing.F) {
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join("testdata", name+".tokenizer.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"normalizer":{"type":"Precompiled","precompiled_charsmap":"` + table(map[string]string{"a": "b"}) + `"},"model":{"type":"WordPiece","vocab":{"a":0}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := Parse(b); err == nil {
			k.Decode(k.Encode("the 1st fox's\tna\u0308ive 東京", nil, 20).IDs)
		}
	})
}
