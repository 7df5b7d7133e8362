package adapter

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Kind is a kind of adapter.
type Kind string

// The kinds.
const (
	LoRA Kind = "lora" // a product of two narrow matrices beside a layer
	IA3  Kind = "ia3"  // a scale for each output or input feature of a layer
	None Kind = "none" // no adapter

	// PEFT is a trained adapter of LoRA that the Python package peft stored; see Spec.Folder.
	PEFT Kind = "peft"
)

// Part says which adapter some layers get.
type Part struct {
	Kind   Kind
	Rank   int    // LoRA: width of the product
	Layers string // selectors of the layers' weights, separated by commas; "": all that no other part names
}

// String is the form that Parse reads.
func (p Part) String() string {
	s := p.adapter()
	if p.Layers != "" {
		s += "@" + p.Layers
	}
	return s
}

// adapter writes the adapter without the layers.
func (p Part) adapter() string {
	if p.Kind == LoRA {
		return fmt.Sprintf("lora:%d", p.Rank)
	}
	return string(p.Kind)
}

// Join writes parts as Parse reads them. It is "" where no part is an adapter.
func Join(parts []Part) string {
	var texts []string
	some := false
	for _, p := range parts {
		texts = append(texts, p.String())
		some = some || p.Kind != None
	}
	if !some {
		return ""
	}
	return strings.Join(texts, "+")
}

// Parse reads "lora:R" or "ia3", for all layers that have one by default; or several of the form
// ADAPTER@SELECTORS joined by +, as in "lora:8@last:2+lora:2@layers.0,layers.1", where ADAPTER may
// also be none. One of several may have no selectors: it is for all layers that no other names.
//
// Or it reads "peft:FOLDER", the folder of a trained adapter of LoRA: see package peft.
func Parse(s string) (Spec, error) {
	var spec Spec
	if folder, ok := strings.CutPrefix(s, string(PEFT)+":"); ok {
		if folder == "" {
			return spec, fmt.Errorf("%q names no folder, as in peft:adapters/mine", s)
		}
		return Spec{Folder: folder, Parts: []Part{{Kind: PEFT}}}, nil
	}
	others := 0
	some := false
	for _, text := range split(s) {
		p, err := parsePart(text)
		if err != nil {
			return Spec{}, err
		}
		if p.Layers == "" {
			others++
		}
		some = some || p.Kind != None
		spec.Parts = append(spec.Parts, p)
	}
	switch {
	case others > 1:
		return Spec{}, fmt.Errorf("%q: only one part can be for all layers that no other names; say which layers with @, as in lora:8@last:2+lora:2", s)
	case !some:
		return Spec{}, fmt.Errorf("%q adds nothing: leave the option out", s)
	}
	return spec, nil
}

// Has reports whether a part is of that kind.
func (s *Spec) Has(k Kind) bool {
	for _, p := range s.Parts {
		if p.Kind == k || p.Kind == PEFT && k == LoRA {
			return true
		}
	}
	return false
}

// Named is an adapter as a plan has it: of a folder, its last part.
func Named(s string) string {
	if folder, ok := strings.CutPrefix(s, string(PEFT)+":"); ok {
		return string(PEFT) + ":" + filepath.Base(folder)
	}
	return s
}

// split cuts a text before each + that an adapter follows: names and regular expressions may have
// others.
func split(s string) []string {
	var out []string
	for i, piece := range strings.Split(s, "+") {
		piece = strings.TrimSpace(piece)
		kind, _, _ := strings.Cut(piece, "@")
		if i == 0 || strings.HasPrefix(kind, "lora:") || kind == string(IA3) || kind == string(None) || kind == "" {
			out = append(out, piece)
		} else {
			out[len(out)-1] += "+" + piece
		}
	}
	return out
}

func parsePart(s string) (Part, error) {
	kind, layers, at := strings.Cut(s, "@")
	kind, layers = strings.TrimSpace(kind), strings.TrimSpace(layers)
	p := Part{Kind: Kind(kind), Layers: layers}
	if rank, ok := strings.CutPrefix(kind, "lora:"); ok {
		if r, err := strconv.Atoi(rank); err == nil && r > 0 && r < 100000 {
			p.Kind, p.Rank = LoRA, r
		}
	}
	switch {
	case at && layers == "":
		return p, fmt.Errorf("%q names no layers after @, as in lora:8@last:2", s)
	case p.Kind == None && !at:
		return p, errors.New("none needs layers, as in lora:8+none@kind:feedforward")
	case p.Kind != IA3 && p.Kind != None && p.Rank == 0:
		return p, fmt.Errorf("%q is none of lora:R, ia3, peft:FOLDER (R: the rank, as in lora:4)", s)
	}
	return p, nil
}
