package tokenize

import (
	"encoding/json"
	"fmt"
)

// postProcess adds special tokens to the ids of a text, or of a pair of texts.
type postProcess func(a, b []int, pair bool) Encoding

func parsePost(b json.RawMessage) (postProcess, error) { return postAt(b, 0) }

func postAt(b json.RawMessage, depth int) (postProcess, error) {
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
	switch kind {
	case "TemplateProcessing":
		return parseTemplate(b)
	case "BertProcessing", "RobertaProcessing":
		var o struct{ Sep, Cls special }
		if err := json.Unmarshal(b, &o); err != nil {
			return nil, err
		}
		between, second := []int{o.Sep.id}, 1
		if kind == "RobertaProcessing" {
			between, second = []int{o.Sep.id, o.Sep.id}, 0
		}
		return func(a, b []int, pair bool) Encoding {
			var e Encoding
			e.add(0, o.Cls.id)
			e.add(0, a...)
			if !pair {
				e.add(0, o.Sep.id)
				return e
			}
			e.add(0, between[0])
			e.add(second, between[1:]...)
			e.add(second, b...)
			e.add(second, o.Sep.id)
			return e
		}, nil
	case "ByteLevel":
		return nil, nil
	case "Sequence":
		var o struct{ Processors []json.RawMessage }
		if err := json.Unmarshal(b, &o); err != nil {
			return nil, err
		}
		var found postProcess
		for _, part := range o.Processors {
			p, err := postAt(part, depth+1)
			if err != nil {
				return nil, err
			}
			if p != nil && found != nil {
				return nil, fmt.Errorf("a sequence with two parts that add tokens")
			}
			if p != nil {
				found = p
			}
		}
		return found, nil
	}
	return nil, fmt.Errorf("kind %q is not known", kind)
}

func (e *Encoding) add(kind int, ids ...int) {
	for _, id := range ids {
		e.IDs, e.Types = append(e.IDs, id), append(e.Types, kind)
	}
}

// special is a token with its id: ["[SEP]", 102].
type special struct{ id int }

func (s *special) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil || len(pair) != 2 {
		return fmt.Errorf("%s is no token with its id", b)
	}
	return json.Unmarshal(pair[1], &s.id)
}

// slot is an element of a template: a text, or special tokens.
type slot struct {
	text  string // A, B or ""
	ids   []int
	types int
}

func parseTemplate(b json.RawMessage) (postProcess, error) {
	type item struct {
		Special *struct {
			ID   string `json:"id"`
			Type int    `json:"type_id"`
		} `json:"SpecialToken"`
		Text *struct {
			ID   string `json:"id"`
			Type int    `json:"type_id"`
		} `json:"Sequence"`
	}
	var o struct {
		Single  []item `json:"single"`
		Pair    []item `json:"pair"`
		Special map[string]struct {
			IDs []int `json:"ids"`
		} `json:"special_tokens"`
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return nil, err
	}
	slots := func(items []item) ([]slot, error) {
		var out []slot
		for _, it := range items {
			switch {
			case it.Text != nil:
				out = append(out, slot{text: it.Text.ID, types: it.Text.Type})
			case it.Special != nil:
				s, ok := o.Special[it.Special.ID]
				if !ok {
					return nil, fmt.Errorf("the template's token %q is not among special_tokens", it.Special.ID)
				}
				out = append(out, slot{ids: s.IDs, types: it.Special.Type})
			}
		}
		return out, nil
	}
	single, err := slots(o.Single)
	if err != nil {
		return nil, err
	}
	pairs, err := slots(o.Pair)
	if err != nil {
		return nil, err
	}
	return func(a, b []int, pair bool) Encoding {
		var e Encoding
		list := single
		if pair {
			list = pairs
		}
		for _, s := range list {
			switch s.text {
			case "A":
				e.add(s.types, a...)
			case "B":
				e.add(s.types, b...)
			default:
				e.add(s.types, s.ids...)
			}
		}
		return e
	}, nil
}
