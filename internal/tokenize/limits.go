package tokenize

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Truncation says which tokens a text loses that is too long, as tokenizer.json does.
type Truncation struct {
	Left     bool     // it loses its beginning; else its end
	Strategy Strategy // which text of a pair loses tokens
	Length   int      // tokens that the model is said to take, special ones included; 0 where nothing is said
}

// Strategy is which text of a pair loses tokens.
type Strategy int

const (
	LongestFirst Strategy = iota // the longer one, and where both are too long each down to a half
	OnlyFirst
	OnlySecond
)

var strategies = map[string]Strategy{"": LongestFirst, "LongestFirst": LongestFirst, "OnlyFirst": OnlyFirst, "OnlySecond": OnlySecond}

// Padding says how texts are made equally long, as tokenizer.json does.
type Padding struct {
	Left     bool // tokens are added in front; else behind
	Length   int  // to which every text is padded; 0 for that of the longest in a batch
	Multiple int  // to a multiple of which the length is rounded up; 0 and 1 for any
	ID       int  // of the token
	Type     int  // of the token: 0 as in the first text of a pair, or 1
}

// ErrTooLong is the error of an Encoding whose text, or pair, is too long and may not be cut where
// it would have to be.
var ErrTooLong = errors.New("the text that the tokenizer may cut is too short for the pair to fit")

// parseSide reads a direction: whether it is the left one.
func parseSide(name string) (left bool, err error) {
	switch name {
	case "", "Right", "right":
		return false, nil
	case "Left", "left":
		return true, nil
	}
	return false, fmt.Errorf("direction %q is neither Left nor Right", name)
}

func parseTruncation(b json.RawMessage) (t Truncation, err error) {
	if absent(b) {
		return t, nil
	}
	var f struct {
		Direction string `json:"direction"`
		Length    int    `json:"max_length"`
		Strategy  string `json:"strategy"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return t, err
	}
	if t.Left, err = parseSide(f.Direction); err != nil {
		return t, err
	}
	s, ok := strategies[f.Strategy]
	if !ok {
		return t, fmt.Errorf("strategy %q is not known", f.Strategy)
	}
	t.Strategy, t.Length = s, f.Length
	return t, nil
}

func parsePadding(b json.RawMessage, pad int) (p Padding, err error) {
	p.ID = pad
	if absent(b) {
		return p, nil
	}
	f := struct {
		Strategy  json.RawMessage `json:"strategy"`
		Direction string          `json:"direction"`
		Multiple  int             `json:"pad_to_multiple_of"`
		ID        int             `json:"pad_id"`
		Type      int             `json:"pad_type_id"`
	}{}
	if err := json.Unmarshal(b, &f); err != nil {
		return p, err
	}
	if p.Left, err = parseSide(f.Direction); err != nil {
		return p, err
	}
	p.ID, p.Type, p.Multiple = f.ID, f.Type, f.Multiple
	switch s := string(f.Strategy); {
	case absent(f.Strategy) || s == `"BatchLongest"`:
	default:
		var fixed struct{ Fixed int }
		if err := json.Unmarshal(f.Strategy, &fixed); err != nil || fixed.Fixed < 1 {
			return p, fmt.Errorf("strategy %s is neither BatchLongest nor Fixed", s)
		}
		p.Length = fixed.Fixed
	}
	if p.ID < 0 || p.Type < 0 || p.Multiple < 0 {
		return p, fmt.Errorf("pad_id %d, pad_type_id %d or pad_to_multiple_of %d is negative", p.ID, p.Type, p.Multiple)
	}
	return p, nil
}

// shorten cuts a text, or a pair, to at most most ids together. It returns how many it dropped.
func (t Truncation) shorten(a, b *[]int, pair bool, most int) (lost int, err error) {
	la, lb := len(*a), len(*b)
	if lost = la + lb - most; lost <= 0 {
		return 0, nil
	}
	switch {
	case !pair:
		la = most
	case t.Strategy == OnlyFirst && lost < la:
		la -= lost
	case t.Strategy == OnlySecond && lost < lb:
		lb -= lost
	case t.Strategy != LongestFirst:
		return 0, ErrTooLong
	case min(la, lb) > most/2: // both are cut, the longer one, or the second of equal ones, keeps the odd token
		half := most / 2
		if la > lb {
			la, lb = most-half, half
		} else {
			la, lb = half, most-half
		}
	case la > lb:
		la = most - lb
	default:
		lb = most - la
	}
	*a, *b = t.cut(*a, la), t.cut(*b, lb)
	return lost, nil
}

// cut leaves n ids.
func (t Truncation) cut(ids []int, n int) []int {
	if t.Left {
		return ids[len(ids)-n:]
	}
	return ids[:n]
}
