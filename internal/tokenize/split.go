package tokenize

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/dlclark/regexp2"
)

// splitter divides words further. First says that they are at the start of the text.
type splitter func(words []string, first bool) []string

func parseSplitter(b json.RawMessage) (splitter, error) { return splitterAt(b, 0) }

func splitterAt(b json.RawMessage, depth int) (splitter, error) {
	if absent(b) {
		return nil, nil
	}
	if depth > 8 {
		return nil, fmt.Errorf("it nests too deeply")
	}
	kind, err := typeOf(b)
	if err != nil {
		return nil, err
	}
	o := struct {
		Pretokenizers []json.RawMessage `json:"pretokenizers"`
		PrefixSpace   *bool             `json:"add_prefix_space"`
		UseRegex      *bool             `json:"use_regex"`
		Replacement   string            `json:"replacement"`
		Scheme        string            `json:"prepend_scheme"`
		Split         *bool             `json:"split"`
		Individual    bool              `json:"individual_digits"`
		Behavior      string            `json:"behavior"`
		Pattern       pattern           `json:"pattern"`
		Invert        bool              `json:"invert"`
		Delimiter     string            `json:"delimiter"`
	}{}
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, err
	}
	switch kind {
	case "Sequence":
		all, err := sequence(o.Pretokenizers, func(part json.RawMessage) ([]splitter, error) {
			s, err := splitterAt(part, depth+1)
			if s == nil {
				return nil, err
			}
			return []splitter{s}, err
		})
		return func(words []string, first bool) []string {
			for _, s := range all {
				words = s(words, first)
			}
			return words
		}, err
	case "ByteLevel":
		var re *expression
		if isTrue(o.UseRegex, true) {
			if re, err = compile(pattern{Regex: &gpt2}); err != nil {
				return nil, err
			}
		}
		prefix := isTrue(o.PrefixSpace, true)
		return each(func(w string, _ bool) []string {
			if prefix && !strings.HasPrefix(w, " ") {
				w = " " + w
			}
			parts := []string{w}
			if re != nil {
				parts = re.split(w, "isolated", false)
			}
			for i, p := range parts {
				parts[i] = toByteLetters(p)
			}
			return parts
		}), nil
	case "Metaspace":
		return metaspace(o.Replacement, o.Scheme, o.PrefixSpace, isTrue(o.Split, true)), nil
	case "Whitespace":
		return each(func(w string, _ bool) []string {
			return runs(w, func(r rune) int {
				switch {
				case unicode.IsSpace(r):
					return -1
				case isWord(r):
					return 0
				}
				return 1
			})
		}), nil
	case "WhitespaceSplit":
		return each(func(w string, _ bool) []string { return strings.FieldsFunc(w, unicode.IsSpace) }), nil
	case "BertPreTokenizer":
		return each(func(w string, _ bool) []string {
			var out []string
			for _, f := range strings.FieldsFunc(w, unicode.IsSpace) {
				out = append(out, behave(f, "isolated", isPunctuation)...)
			}
			return out
		}), nil
	case "Punctuation":
		how := strings.ToLower(o.Behavior)
		if how == "" {
			how = "isolated"
		}
		return each(func(w string, _ bool) []string { return behave(w, how, isPunctuation) }), nil
	case "Digits":
		how := "contiguous"
		if o.Individual {
			how = "isolated"
		}
		return each(func(w string, _ bool) []string { return behave(w, how, unicode.IsNumber) }), nil
	case "CharDelimiterSplit":
		return each(func(w string, _ bool) []string {
			return strings.FieldsFunc(w, func(r rune) bool { return string(r) == o.Delimiter })
		}), nil
	case "Split":
		re, err := compile(o.Pattern)
		if err != nil {
			return nil, err
		}
		how := strings.ToLower(o.Behavior)
		return each(func(w string, _ bool) []string { return re.split(w, how, o.Invert) }), nil
	}
	return nil, fmt.Errorf("kind %q is not known", kind)
}

// gpt2 is the pattern by which GPT-2's byte-level tokenizer divides a text.
var gpt2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

func each(fn func(w string, first bool) []string) splitter {
	return func(words []string, first bool) []string {
		var out []string
		for i, w := range words {
			for _, p := range fn(w, first && i == 0) {
				if p != "" {
					out = append(out, p)
				}
			}
		}
		return out
	}
}

// metaspace replaces spaces by a character, and divides before each of them.
func metaspace(letter, scheme string, prefix *bool, divide bool) splitter {
	if letter == "" {
		letter = "▁"
	}
	if scheme == "" {
		scheme = "always"
		if prefix != nil && !*prefix {
			scheme = "never"
		}
	}
	return each(func(w string, first bool) []string {
		w = strings.ReplaceAll(w, " ", letter)
		if (scheme == "always" || scheme == "first" && first) && !strings.HasPrefix(w, letter) {
			w = letter + w
		}
		if !divide {
			return []string{w}
		}
		var out []string
		for i, p := range strings.Split(w, letter) {
			if i > 0 {
				p = letter + p
			}
			out = append(out, p)
		}
		return out
	})
}

// runs divides into runs of characters of one class. Characters of class -1 are dropped.
func runs(s string, class func(rune) int) []string {
	var out []string
	from, was := 0, -1
	for i, r := range s {
		c := class(r)
		if c != was {
			if was >= 0 {
				out = append(out, s[from:i])
			}
			from, was = i, c
		}
	}
	if was >= 0 {
		out = append(out, s[from:])
	}
	return out
}

// isPunctuation is BERT's definition: ASCII other than letters, digits and spaces, and what Unicode
// calls punctuation.
func isPunctuation(r rune) bool {
	return 33 <= r && r <= 47 || 58 <= r && r <= 64 || 91 <= r && r <= 96 || 123 <= r && r <= 126 || unicode.IsPunct(r)
}

// behave divides at the characters that match.
func behave(s, how string, match func(rune) bool) []string {
	var pieces []piece
	from := 0
	for i, r := range s {
		if !match(r) {
			continue
		}
		if from < i {
			pieces = append(pieces, piece{s[from:i], false})
		}
		from = i + len(string(r))
		pieces = append(pieces, piece{s[i:from], true})
	}
	if from < len(s) {
		pieces = append(pieces, piece{s[from:], false})
	}
	return join(pieces, how)
}

type piece struct {
	text  string
	match bool
}

// join joins matching pieces with their neighbours as how says.
func join(pieces []piece, how string) []string {
	var out []string
	was := false // the piece before matches
	for i, p := range pieces {
		switch {
		case how == "removed":
			if !p.match {
				out = append(out, p.text)
			}
		case i > 0 && (how == "mergedwithprevious" && p.match && !was || how == "mergedwithnext" && !p.match && was || how == "contiguous" && p.match == was):
			out[len(out)-1] += p.text
		default:
			out = append(out, p.text)
		}
		was = p.match
	}
	return out
}

// expression is a regular expression with look-around, which tokenizers use.
type expression struct {
	literal string
	re      *regexp2.Regexp
}

// slowest bounds the time of one match, so that the expression of a hostile file cannot hang.
const slowest = 5 * time.Second

func compile(p pattern) (*expression, error) {
	switch {
	case p.String != nil && *p.String != "":
		return &expression{literal: *p.String}, nil
	case p.Regex == nil:
		return nil, fmt.Errorf("it has no pattern")
	}
	re, err := regexp2.Compile(*p.Regex, regexp2.None)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	re.MatchTimeout = slowest
	return &expression{re: re}, nil
}

// each calls fn with the matches in s and with the text between them.
func (e *expression) each(s string, fn func(part string, match bool)) {
	if e.re == nil {
		for i, p := range strings.Split(s, e.literal) {
			if i > 0 {
				fn(e.literal, true)
			}
			if p != "" {
				fn(p, false)
			}
		}
		return
	}
	r := []rune(s)
	at := 0
	m, err := e.re.FindRunesMatch(r)
	for ; err == nil && m != nil; m, err = e.re.FindNextMatch(m) {
		if m.Length == 0 {
			continue
		}
		if m.Index > at {
			fn(string(r[at:m.Index]), false)
		}
		at = m.Index + m.Length
		fn(string(r[m.Index:at]), true)
	}
	if at < len(r) {
		fn(string(r[at:]), false)
	}
}

func (e *expression) split(s, how string, invert bool) []string {
	var pieces []piece
	e.each(s, func(part string, match bool) { pieces = append(pieces, piece{part, match != invert}) })
	return join(pieces, how)
}

// byteLetters are the characters that stand for bytes in byte-level tokenizers. Printable ones
// stand for themselves, the others are numbered from U+0100 on.
var byteLetters, letterBytes = func() (to [256]string, from map[rune]byte) {
	from = map[rune]byte{}
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if !('!' <= r && r <= '~' || '¡' <= r && r <= '¬' || '®' <= r && r <= 'ÿ') {
			r = next
			next++
		}
		to[b], from[r] = string(r), byte(b)
	}
	return to, from
}()

func toByteLetters(s string) string {
	var out strings.Builder
	for i := range len(s) {
		out.WriteString(byteLetters[s[i]])
	}
	return out.String()
}
