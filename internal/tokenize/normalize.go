package tokenize

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer changes a text before it is divided into words.
type normalizer func(string) string

// maxParts bounds the parts of a Sequence, and how deep they nest.
const maxParts = 256

// sequence concatenates what read gives for the parts of a Sequence.
func sequence[T any](parts []json.RawMessage, read func(json.RawMessage) ([]T, error)) ([]T, error) {
	var all []T
	for _, part := range parts {
		some, err := read(part)
		if err != nil {
			return nil, err
		}
		if all = append(all, some...); len(all) > maxParts {
			return nil, fmt.Errorf("a sequence of more than %d", maxParts)
		}
	}
	return all, nil
}

func parseNormalizer(b json.RawMessage) (normalizer, error) { return normalizerAt(b, 0) }

func normalizerAt(b json.RawMessage, depth int) (normalizer, error) {
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
		Normalizers  []json.RawMessage `json:"normalizers"`
		Prepend      string            `json:"prepend"`
		Pattern      pattern           `json:"pattern"`
		Content      string            `json:"content"`
		Left         *bool             `json:"strip_left"`
		Right        *bool             `json:"strip_right"`
		CleanText    *bool             `json:"clean_text"`
		Chinese      *bool             `json:"handle_chinese_chars"`
		StripAccents *bool             `json:"strip_accents"`
		Lowercase    *bool             `json:"lowercase"`
		Charsmap     string            `json:"precompiled_charsmap"`
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, err
	}
	switch kind {
	case "Sequence":
		all, err := sequence(o.Normalizers, func(part json.RawMessage) ([]normalizer, error) {
			n, err := normalizerAt(part, depth+1)
			if n == nil {
				return nil, err
			}
			return []normalizer{n}, err
		})
		return func(s string) string {
			for _, n := range all {
				s = n(s)
			}
			return s
		}, err
	case "NFC":
		return norm.NFC.String, nil
	case "NFD":
		return norm.NFD.String, nil
	case "NFKC":
		return norm.NFKC.String, nil
	case "NFKD":
		return norm.NFKD.String, nil
	case "Lowercase":
		return lower, nil
	case "StripAccents":
		return stripMarks, nil
	case "Strip":
		return func(s string) string {
			if isTrue(o.Left, true) {
				s = strings.TrimLeftFunc(s, unicode.IsSpace)
			}
			if isTrue(o.Right, true) {
				s = strings.TrimRightFunc(s, unicode.IsSpace)
			}
			return s
		}, nil
	case "Prepend":
		return func(s string) string {
			if s == "" {
				return s
			}
			return o.Prepend + s
		}, nil
	case "Replace":
		if o.Pattern.String != nil {
			return func(s string) string { return strings.ReplaceAll(s, *o.Pattern.String, o.Content) }, nil
		}
		re, err := compile(o.Pattern)
		if err != nil {
			return nil, err
		}
		return func(s string) string {
			var out strings.Builder
			re.each(s, func(part string, match bool) {
				if match {
					part = o.Content
				}
				out.WriteString(part)
			})
			return out.String()
		}, nil
	case "BertNormalizer":
		lowercase := isTrue(o.Lowercase, true)
		strip := isTrue(o.StripAccents, lowercase)
		return func(s string) string {
			if isTrue(o.CleanText, true) {
				s = cleanText(s)
			}
			if isTrue(o.Chinese, true) {
				s = spaceIdeographs(s)
			}
			if strip {
				s = stripMarksNFD(s)
			}
			if lowercase {
				s = lower(s)
			}
			return s
		}, nil
	case "ByteLevel":
		return toByteLetters, nil
	case "Nmt":
		return nmt, nil
	case "Precompiled":
		return parseCharsmap(o.Charsmap)
	}
	return nil, fmt.Errorf("kind %q is not known", kind)
}

func isTrue(b *bool, def bool) bool {
	if b == nil {
		return def
	}
	return *b
}

// lower converts to lower case character by character, without regard to context.
func lower(s string) string {
	return strings.Map(unicode.ToLower, strings.ReplaceAll(s, "İ", "i̇"))
}

func stripMarks(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.M, r) {
			return -1
		}
		return r
	}, s)
}

func stripMarksNFD(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(s))
}

// cleanText removes control characters and turns all white space into spaces.
func cleanText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || unicode.IsSpace(r):
			return ' '
		case r == 0 || r == 0xfffd || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		}
		return r
	}, s)
}

// spaceIdeographs puts spaces around CJK ideographs.
func spaceIdeographs(s string) string {
	var out strings.Builder
	for _, r := range s {
		if 0x4e00 <= r && r <= 0x9fff || 0x3400 <= r && r <= 0x4dbf || 0x20000 <= r && r <= 0x2a6df || 0x2a700 <= r && r <= 0x2ceaf ||
			0xf900 <= r && r <= 0xfaff || 0x2f800 <= r && r <= 0x2fa1f {
			out.WriteByte(' ')
			out.WriteRune(r)
			out.WriteByte(' ')
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// nmt removes what SentencePiece's nmt_nfkc rule removes, and turns other separators into spaces.
func nmt(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 1 <= r && r <= 8, r == 0xb, 0xe <= r && r <= 0x1f, r == 0x7f, r == 0x8f, r == 0x9f:
			return -1
		case r == 9, r == 0xa, r == 0xc, r == 0xd, r == 0x1680, 0x200b <= r && r <= 0x200f, r == 0x2028, r == 0x2029, r == 0x2581, r == 0xfeff, r == 0xfffd:
			return ' '
		}
		return r
	}, s)
}

// charsmap is SentencePiece's table of replacements: a double-array trie of the strings to replace,
// whose values point into a list of zero-terminated replacements.
type charsmap struct {
	units []uint32
	text  string
}

func parseCharsmap(text string) (normalizer, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("precompiled_charsmap: %w", err)
	}
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) < 4 {
		return nil, fmt.Errorf("precompiled_charsmap ends early")
	}
	n := int(binary.LittleEndian.Uint32(b))
	if b = b[4:]; n%4 != 0 || n > len(b) {
		return nil, fmt.Errorf("precompiled_charsmap ends early")
	}
	c := &charsmap{units: make([]uint32, n/4), text: string(b[n:])}
	for i := range c.units {
		c.units[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return c.apply, nil
}

// apply replaces from left to right, the longest match first.
func (c *charsmap) apply(s string) string {
	var out strings.Builder
	for len(s) > 0 {
		if with, n := c.longest(s); n > 0 {
			out.WriteString(with)
			s = s[n:]
			continue
		}
		_, n := utf8.DecodeRuneInString(s)
		out.WriteString(s[:n])
		s = s[n:]
	}
	return out.String()
}

// longest is the replacement of the longest prefix of s in the table, and the length of that
// prefix, 0 for none.
func (c *charsmap) longest(s string) (with string, n int) {
	unit := func(i uint32) (uint32, bool) {
		if int(i) >= len(c.units) {
			return 0, false
		}
		return c.units[i], true
	}
	offset := func(u uint32) uint32 { return (u >> 10) << ((u & (1 << 9)) >> 6) }
	u, ok := unit(0)
	if !ok {
		return "", 0
	}
	at := offset(u)
	for i := range len(s) {
		at ^= uint32(s[i])
		if u, ok = unit(at); !ok || u&(1<<31|0xff) != uint32(s[i]) {
			break
		}
		at ^= offset(u)
		if u>>8&1 == 1 {
			v, ok := unit(at)
			if !ok {
				break
			}
			if k := int(v & (1<<31 - 1)); k <= len(c.text) {
				with, _, _ = strings.Cut(c.text[k:], "\x00")
				n = i + 1
			}
		}
	}
	return with, n
}
