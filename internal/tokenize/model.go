package tokenize

import (
	"container/heap"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

func parseModel(b json.RawMessage) (model, error) {
	var o struct {
		Type         string          `json:"type"`
		Vocab        json.RawMessage `json:"vocab"`
		Merges       json.RawMessage `json:"merges"`
		Unk          *string         `json:"unk_token"`
		UnkID        *int            `json:"unk_id"`
		Prefix       *string         `json:"continuing_subword_prefix"`
		Suffix       *string         `json:"end_of_word_suffix"`
		Fuse         bool            `json:"fuse_unk"`
		ByteFallback bool            `json:"byte_fallback"`
		IgnoreMerges bool            `json:"ignore_merges"`
		MostChars    *int            `json:"max_input_chars_per_word"`
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, err
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	if o.Type == "Unigram" || o.Type == "" && o.UnkID != nil {
		return newUnigram(o.Vocab, o.UnkID, o.ByteFallback)
	}
	vocab := map[string]int{}
	if err := json.Unmarshal(o.Vocab, &vocab); err != nil {
		return nil, fmt.Errorf("vocab: %w", err)
	}
	unk, hasUnk := vocab[text(o.Unk)]
	if !hasUnk {
		unk = -1
	}
	switch {
	case o.Type == "BPE" || o.Type == "" && !absent(o.Merges):
		m := &bpe{words: vocab, unk: unk, prefix: text(o.Prefix), suffix: text(o.Suffix), fuse: o.Fuse, whole: o.IgnoreMerges}
		if o.ByteFallback {
			m.bytes = byteTokens(vocab)
		}
		return m, m.parseMerges(o.Merges)
	case o.Type == "WordPiece" || o.Type == "" && o.MostChars != nil:
		m := &wordPiece{words: vocab, unk: unk, prefix: "##", most: 100}
		if o.Prefix != nil {
			m.prefix = *o.Prefix
		}
		if o.MostChars != nil {
			m.most = *o.MostChars
		}
		return m, nil
	case o.Type == "WordLevel" || o.Type == "":
		return &wordLevel{vocab, unk}, nil
	}
	return nil, fmt.Errorf("kind %q is not known", o.Type)
}

// byteTokens are the ids of the tokens <0x00> to <0xFF>, -1 for those that are missing.
func byteTokens(vocab map[string]int) *[256]int {
	var out [256]int
	for b := range out {
		id, ok := vocab[fmt.Sprintf("<0x%02X>", b)]
		if !ok {
			id = -1
		}
		out[b] = id
	}
	return &out
}

// spell appends the ids of the bytes of s. Ok is false where one is missing.
func spell(dst []int, s string, bytes *[256]int) (out []int, ok bool) {
	if bytes == nil {
		return dst, false
	}
	n := len(dst)
	for i := range len(s) {
		if bytes[s[i]] < 0 {
			return dst[:n], false
		}
		dst = append(dst, bytes[s[i]])
	}
	return dst, true
}

// bpe merges the neighbouring pair that was learnt first, until no known pair is left (Sennrich et
// al. 2016).
type bpe struct {
	words          map[string]int
	merges         map[[2]int]merge
	unk            int // -1: none
	prefix, suffix string
	fuse           bool      // neighbouring unknown characters become one
	whole          bool      // a word that is in the vocabulary is not divided
	bytes          *[256]int // unknown characters become bytes; nil: they do not
}

type merge struct{ rank, id int }

func (m *bpe) vocabulary() map[string]int { return m.words }

func (m *bpe) parseMerges(b json.RawMessage) error {
	var pairs [][2]string
	var lines []string
	if json.Unmarshal(b, &pairs) != nil {
		pairs = nil
		if err := json.Unmarshal(b, &lines); err != nil {
			return fmt.Errorf("merges: %w", err)
		}
		for _, l := range lines {
			x, y, ok := strings.Cut(l, " ")
			if !ok {
				return fmt.Errorf("merge %q is no pair", l)
			}
			pairs = append(pairs, [2]string{x, y})
		}
	}
	m.merges = make(map[[2]int]merge, len(pairs))
	for rank, p := range pairs {
		x, okX := m.words[p[0]]
		y, okY := m.words[p[1]]
		id, ok := m.words[p[0]+strings.TrimPrefix(p[1], m.prefix)]
		if !okX || !okY || !ok {
			return fmt.Errorf("merge %q makes a token that the vocabulary lacks", p)
		}
		if _, known := m.merges[[2]int{x, y}]; !known {
			m.merges[[2]int{x, y}] = merge{rank, id}
		}
	}
	return nil
}

// symbol is an element of the linked list of what is still to be merged.
type symbol struct{ id, prev, next int }

// candidate is a pair that may be merged: the symbol at, and the one after it.
type candidate struct{ rank, at, left, right, id int }

type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	return c[i].rank < c[j].rank || c[i].rank == c[j].rank && c[i].at < c[j].at
}
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)   { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	old := *c
	x := old[len(old)-1]
	*c = old[:len(old)-1]
	return x
}

func (m *bpe) ids(dst []int, word string) []int {
	if m.whole {
		if id, ok := m.words[word]; ok {
			return append(dst, id)
		}
	}
	start := m.characters(word)
	if len(start) < 2 {
		return append(dst, start...)
	}
	list := make([]symbol, len(start))
	for i, id := range start {
		list[i] = symbol{id, i - 1, i + 1}
	}
	list[len(list)-1].next = -1
	var queue candidates
	consider := func(at int) {
		if at < 0 || list[at].next < 0 {
			return
		}
		x, y := list[at].id, list[list[at].next].id
		if g, ok := m.merges[[2]int{x, y}]; ok {
			heap.Push(&queue, candidate{g.rank, at, x, y, g.id})
		}
	}
	for i := range list {
		consider(i)
	}
	const gone = -2
	for len(queue) > 0 {
		c := heap.Pop(&queue).(candidate)
		s := &list[c.at]
		if s.id != c.left || s.next < 0 || list[s.next].id != c.right {
			continue // its symbols were merged with others meanwhile
		}
		after := &list[s.next]
		after.id = gone
		s.id, s.next = c.id, after.next
		if s.next >= 0 {
			list[s.next].prev = c.at
		}
		consider(s.prev)
		consider(c.at)
	}
	for i := 0; i >= 0; i = list[i].next {
		dst = append(dst, list[i].id)
	}
	return dst
}

// characters gives the ids of a word's characters, of their bytes, or of the unknown token.
func (m *bpe) characters(word string) []int {
	var out []int
	unknown := false
	for i, r := range word {
		n := utf8.RuneLen(r)
		s := word[i : i+n]
		if i > 0 {
			s = m.prefix + s
		}
		if i+n == len(word) {
			s += m.suffix
		}
		if id, ok := m.words[s]; ok {
			out, unknown = append(out, id), false
			continue
		}
		var ok bool
		if out, ok = spell(out, s, m.bytes); ok {
			unknown = false
			continue
		}
		if m.unk >= 0 && !(unknown && m.fuse) {
			out = append(out, m.unk)
		}
		unknown = true
	}
	return out
}

// wordPiece takes the longest token at the start of a word, and goes on with the rest (Schuster and
// Nakajima 2012).
type wordPiece struct {
	words  map[string]int
	unk    int
	prefix string
	most   int // characters of a word, at most; a longer word is unknown
}

func (m *wordPiece) vocabulary() map[string]int { return m.words }

func (m *wordPiece) ids(dst []int, word string) []int {
	n := len(dst)
	unknown := func() []int {
		if m.unk < 0 {
			return dst[:n]
		}
		return append(dst[:n], m.unk)
	}
	if utf8.RuneCountInString(word) > m.most {
		return unknown()
	}
	for from := 0; from < len(word); {
		to := len(word)
		for ; to > from; to-- {
			if to < len(word) && !utf8.RuneStart(word[to]) {
				continue
			}
			s := word[from:to]
			if from > 0 {
				s = m.prefix + s
			}
			if id, ok := m.words[s]; ok {
				dst = append(dst, id)
				break
			}
		}
		if to == from {
			return unknown()
		}
		from = to
	}
	return dst
}

// wordLevel has an id for each word.
type wordLevel struct {
	words map[string]int
	unk   int
}

func (m *wordLevel) vocabulary() map[string]int { return m.words }

func (m *wordLevel) ids(dst []int, word string) []int {
	if id, ok := m.words[word]; ok {
		return append(dst, id)
	}
	if m.unk < 0 {
		return dst
	}
	return append(dst, m.unk)
}

// unigram takes the segmentation of a word with the highest probability (Kudo 2018), by the Viterbi
// algorithm.
type unigram struct {
	words   map[string]int
	scores  []float64
	unk     int // -1: none
	unkCost float64
	longest int // bytes of a token
	bytes   *[256]int
}

func newUnigram(vocab json.RawMessage, unk *int, byteFallback bool) (*unigram, error) {
	var entries [][2]any
	if err := json.Unmarshal(vocab, &entries); err != nil {
		return nil, fmt.Errorf("vocab: %w", err)
	}
	m := &unigram{words: make(map[string]int, len(entries)), unk: -1}
	least := 0.0
	for i, e := range entries {
		s, okS := e[0].(string)
		score, okN := e[1].(float64)
		if !okS || !okN {
			return nil, fmt.Errorf("vocab: entry %d is no token with a score", i)
		}
		if _, known := m.words[s]; !known {
			m.words[s] = i
		}
		m.scores = append(m.scores, score)
		m.longest = max(m.longest, len(s))
		least = min(least, score)
	}
	if unk != nil {
		if *unk < 0 || *unk >= len(entries) {
			return nil, fmt.Errorf("unk_id %d is outside of the vocabulary of %d", *unk, len(entries))
		}
		m.unk = *unk
	}
	m.unkCost = least - 10 // SentencePiece's penalty
	if byteFallback {
		m.bytes = byteTokens(m.words)
	}
	return m, nil
}

func (m *unigram) vocabulary() map[string]int { return m.words }

func (m *unigram) ids(dst []int, word string) []int {
	type step struct {
		score float64
		from  int
		id    int
	}
	best := make([]step, len(word)+1)
	for i := range best {
		best[i] = step{math.Inf(-1), -1, m.unk}
	}
	best[0].score = 0
	for at, r := range word {
		n := utf8.RuneLen(r)
		single := false
		for end := at + 1; end <= min(len(word), at+m.longest); end++ {
			if end < len(word) && !utf8.RuneStart(word[end]) {
				continue
			}
			id, ok := m.words[word[at:end]]
			if !ok || id == m.unk {
				continue
			}
			single = single || end == at+n
			if s := best[at].score + m.scores[id]; s > best[end].score {
				best[end] = step{s, at, id}
			}
		}
		if !single {
			if s := best[at].score + m.unkCost; s > best[at+n].score {
				best[at+n] = step{s, at, m.unk}
			}
		}
	}
	var path []step
	var ends []int
	for end := len(word); end > 0; end = best[end].from {
		path, ends = append(path, best[end]), append(ends, end)
	}
	for k := len(path) - 1; k >= 0; k-- {
		if path[k].id != m.unk {
			dst = append(dst, path[k].id)
			continue
		}
		from, end := path[k].from, ends[k]
		for k > 0 && path[k-1].id == m.unk { // neighbouring unknown characters become one
			k--
			end = ends[k]
		}
		var ok bool
		if dst, ok = spell(dst, word[from:end], m.bytes); !ok && m.unk >= 0 {
			dst = append(dst, m.unk)
		}
	}
	return dst
}
