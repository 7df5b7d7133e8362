package space

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// Type is what kind of value an option takes.
type Type uint8

// The types of options.
const (
	Anything Type = iota
	Texts         // a text; 224 in the file means "224"
	Lists         // a text, or a list of texts
	Whole         // a whole number
	Real          // a number
	Truths        // true or false
)

// Known describes a parameter that a space file may name.
type Known struct {
	Name    string
	Type    Type
	Ordered bool              // a plain list of values has an order: that in which they are written
	Check   func(Value) error // refuses a value, saying what may stand there; of a range both ends are asked; may be nil

	// Divided says that the parameter may stand for a part of what it is about, as NAME@PART.
	Divided bool
	// Parts lists the parts in which a division of that name cuts: by: DIVISION beside the values
	// makes a parameter for each, NAME for the part "". It may be nil.
	Parts func(by string) ([]string, error)
}

// has reports whether a parameter of that name is the known one, or that of a part.
func (k *Known) has(name string) bool {
	return k.Name == name || k.Divided && strings.HasPrefix(name, k.Name+"@")
}

// OneOf is a Check that lets these texts pass.
func OneOf(texts ...string) func(Value) error {
	return func(v Value) error {
		for _, t := range v.Texts() {
			if !slices.Contains(texts, t) {
				return fmt.Errorf("%q is none of %s%s", t, strings.Join(texts, ", "), option.DidYouMean(t, texts))
			}
		}
		return nil
	}
}

// Between is a Check that lets numbers from low to high pass.
func Between(low, high float64) func(Value) error {
	return func(v Value) error {
		if x, ok := v.Float(); !ok || x < low || x > high {
			return fmt.Errorf("%s is not from %v to %v", v, low, high)
		}
		return nil
	}
}
