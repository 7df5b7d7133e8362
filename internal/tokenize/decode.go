package tokenize

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// decoder is one step from tokens back to text.
type decoder func(tokens []string) []string

// Decode gives the text of ids, without special tokens.
func (t *Tokenizer) Decode(ids []int) string {
	var tokens []string
	for _, id := range ids {
		if s, ok := t.byID[id]; ok && !t.special[id] {
			tokens = append(tokens, s)
		}
	}
	if len(t.decoders) == 0 {
		return strings.Join(tokens, " ")
	}
	for _, d := range t.decoders {
		tokens = d(tokens)
	}
	return strings.Join(tokens, "")
}

func parseDecoder(b json.RawMessage) ([]decoder, error) { return decodersAt(b, 0) }

func decodersAt(b json.RawMessage, depth int) ([]decoder, error) {
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
	var o struct {
		Decoders    []json.RawMessage `json:"decoders"`
		Pattern     pattern           `json:"pattern"`
		Content     string            `json:"content"`
		Start       int               `json:"start"`
		Stop        int               `json:"stop"`
		Replacement string            `json:"replacement"`
		Scheme      string            `json:"prepend_scheme"`
		PrefixSpace *bool             `json:"add_prefix_space"`
		Prefix      string            `json:"prefix"`
		Suffix      string            `json:"suffix"`
		Cleanup     *bool             `json:"cleanup"`
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, err
	}
	one := func(d decoder) ([]decoder, error) { return []decoder{d}, nil }
	switch kind {
	case "Sequence":
		return sequence(o.Decoders, func(part json.RawMessage) ([]decoder, error) { return decodersAt(part, depth+1) })
	case "Replace":
		re, err := compile(o.Pattern)
		if err != nil {
			return nil, err
		}
		return one(onEach(func(_ int, s string) string {
			var out strings.Builder
			re.each(s, func(part string, match bool) {
				if match {
					part = o.Content
				}
				out.WriteString(part)
			})
			return out.String()
		}))
	case "ByteFallback":
		return one(joinBytes)
	case "Fuse":
		return one(func(tokens []string) []string { return []string{strings.Join(tokens, "")} })
	case "Strip":
		return one(onEach(func(_ int, s string) string {
			for i := 0; i < o.Start && o.Content != "" && strings.HasPrefix(s, o.Content); i++ {
				s = s[len(o.Content):]
			}
			for i := 0; i < o.Stop && o.Content != "" && strings.HasSuffix(s, o.Content); i++ {
				s = s[:len(s)-len(o.Content)]
			}
			return s
		}))
	case "ByteLevel":
		return one(func(tokens []string) []string {
			var out []byte
			for _, t := range tokens {
				for _, r := range t {
					if b, ok := letterBytes[r]; ok {
						out = append(out, b)
					} else {
						out = utf8.AppendRune(out, r)
					}
				}
			}
			return []string{strings.ToValidUTF8(string(out), "\uFFFD")}
		})
	case "Metaspace":
		letter := o.Replacement
		if letter == "" {
			letter = "▁"
		}
		prefixed := o.Scheme != "never" && isTrue(o.PrefixSpace, true)
		return one(onEach(func(i int, s string) string {
			if i == 0 && prefixed {
				s = strings.TrimPrefix(s, letter)
			}
			return strings.ReplaceAll(s, letter, " ")
		}))
	case "WordPiece":
		prefix := o.Prefix
		if prefix == "" {
			prefix = "##"
		}
		clean := isTrue(o.Cleanup, true)
		return one(onEach(func(i int, s string) string {
			if rest, ok := strings.CutPrefix(s, prefix); ok && i > 0 {
				s = rest
			} else if i > 0 {
				s = " " + s
			}
			if clean {
				s = cleanup.Replace(s)
			}
			return s
		}))
	case "BPEDecoder":
		return one(func(tokens []string) []string {
			for i, s := range tokens {
				with := " "
				if i == len(tokens)-1 {
					with = ""
				}
				tokens[i] = strings.ReplaceAll(s, o.Suffix, with)
			}
			return tokens
		})
	}
	return nil, fmt.Errorf("kind %q is not known", kind)
}

// cleanup removes the spaces that word tokenizers put before punctuation and inside contractions.
var cleanup = strings.NewReplacer(" .", ".", " ?", "?", " !", "!", " ,", ",", " ' ", "'", " n't", "n't", " 'm", "'m", " do not", " don't", " 's", "'s", " 've", "'ve", " 're", "'re")

func onEach(fn func(i int, s string) string) decoder {
	return func(tokens []string) []string {
		for i, s := range tokens {
			tokens[i] = fn(i, s)
		}
		return tokens
	}
}

// joinBytes replaces runs of the tokens <0x00> to <0xFF> by the text of their bytes. Bytes that are
// not UTF-8 become U+FFFD each.
func joinBytes(tokens []string) []string {
	var out []string
	var run []byte
	flush := func() {
		if utf8.Valid(run) {
			out = append(out, string(run))
		} else {
			out = append(out, strings.Repeat("\uFFFD", len(run)))
		}
		run = nil
	}
	for _, t := range tokens {
		if len(t) == 6 && strings.HasPrefix(t, "<0x") && t[5] == '>' {
			if b, err := strconv.ParseUint(t[3:5], 16, 8); err == nil {
				run = append(run, byte(b))
				continue
			}
		}
		if run != nil {
			flush()
		}
		out = append(out, t)
	}
	if run != nil {
		flush()
	}
	return out
}
