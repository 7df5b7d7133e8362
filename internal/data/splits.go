package data

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// Splits are the parts of a set of examples by what they are for. A part that is not there is the
// zero Place.
type Splits struct {
	Train Place // to train with
	Val   Place // to choose by
	Test  Place // neither: what was chosen is measured by it

	root       string
	secondTest Place // another part that is to test with
}

// split is what a part is for.
type split int

const (
	noSplit split = iota
	trainSplit
	valSplit
	testSplit
)

// splitWords are the usual names of splits.
var splitWords = map[string]split{
	"train": trainSplit, "training": trainSplit, "trn": trainSplit,
	"val": valSplit, "valid": valSplit, "validation": valSplit, "validate": valSplit,
	"dev": valSplit, "devel": valSplit, "development": valSplit, "eval": valSplit, "evaluation": valSplit, "holdout": valSplit,
	"test": testSplit, "testing": testSplit, "tst": testSplit,
}

// neutralWords may stand beside the word that names a split: test_set, train-images, val2017.
var neutralWords = []string{"set", "data", "dataset", "split", "images", "image", "img", "imgs", "pictures", "photos", "sounds", "audio", "texts", "files", "samples", "examples"}

// splitOf tells from a name, in any case, which split it is.
func splitOf(name string) split {
	found := noSplit
	for _, word := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) }) {
		s := splitWords[word]
		for _, n := range neutralWords { // trainset
			if s == noSplit {
				s = splitWords[strings.TrimSuffix(word, n)]
			}
		}
		switch {
		case s == noSplit && !slices.Contains(neutralWords, word), s != noSplit && found != noSplit:
			return noSplit
		case s != noSplit:
			found = s
		}
	}
	return found
}

// newSplits sorts places into parts. It errors on two places to train with or two to choose by.
func newSplits(root Place, places []Place, of func(Place) split) (Splits, error) {
	s := Splits{root: root.Path}
	for _, p := range places {
		part, option := &s.Train, "data"
		switch of(p) {
		case noSplit:
			continue
		case valSplit:
			part, option = &s.Val, "val"
		case testSplit: // a fit does nothing with them, so there may be two, see Eval
			if part = &s.Test; !s.Test.IsZero() {
				part = &s.secondTest
			}
			*part = p
			continue
		}
		if !part.IsZero() {
			return Splits{}, fmt.Errorf("data: %s holds %s and %s, of which either could be meant: name one with option %s", root.Path, part.name(), p.name(), option)
		}
		*part = p
	}
	return s, nil
}

// IsZero reports whether there is no part.
func (s Splits) IsZero() bool { return s.Train.IsZero() && s.Val.IsZero() && s.Test.IsZero() }

// With puts the validation examples that a user names in the place of those found.
func (s Splits) With(val Place) Splits {
	if !val.IsZero() {
		s.Val = val
	}
	return s
}

// Remarks tell what was taken for what, where that was not said.
func (s Splits) Remarks() []string {
	var out []string
	if stem(s.Val.name()) != "val" && splitOf(stem(s.Val.name())) == testSplit && s.Val.part == noSplit {
		out = append(out, fmt.Sprintf("the weights are chosen by %s, so that what is measured on it flatters them", s.Val.Path))
	}
	if s.root == "" || s.Test.IsZero() && stem(s.Train.name()) == "train" && stem(s.Val.name()) == "val" {
		return out // as documented
	}
	text := fmt.Sprintf("%s: training on %s, validating on ", s.root, s.Train.name())
	if s.Val.IsZero() {
		text += "examples held out from it"
	} else {
		text += s.Val.name()
	}
	if !s.Test.IsZero() && s.Test != s.Val {
		text += "; " + s.Test.name() + " is left for permafrost eval"
	}
	return append(out, text)
}

// name is what messages call a part.
func (p Place) name() string {
	switch p.part {
	case trainSplit:
		return "the rows marked train"
	case valSplit:
		return "the rows marked val"
	case testSplit:
		return "the rows marked test"
	}
	if p.IsZero() {
		return ""
	}
	return filepath.Base(p.Path)
}

// stem is a file's name without its extension.
func stem(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }
