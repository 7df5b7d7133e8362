package data

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// SortNames sorts class names and removes duplicates. If all are numbers, or all are the same text
// around a whole number (class_2), they are sorted by value (2 before 10), else by their bytes.
func SortNames(names []string) []string {
	out := slices.Clone(names)
	slices.Sort(out)
	out = slices.Compact(out)
	numbers := map[string]float64{}
	for _, n := range out {
		v, err := strconv.ParseFloat(n, 64)
		if err != nil || math.IsNaN(v) {
			if numbered(out) {
				slices.SortFunc(out, natural)
			}
			return out
		}
		numbers[n] = v
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(numbers[a], numbers[b]) })
	return out
}

// numbered reports whether sorted names are the same text around a whole number, as class_0 and
// class_1 are. The digits behind a decimal point are no whole number.
func numbered(sorted []string) bool {
	first, last := sorted[0], sorted[len(sorted)-1] // what these begin with alike, all do
	same := 0
	for same < min(len(first), len(last)) && first[same] == last[same] {
		same++
	}
	prefix := strings.TrimRight(first[:same], digits)
	if whole := strings.TrimRight(prefix, ".,"); whole != prefix && strings.TrimRight(whole, digits) != whole {
		return false
	}
	return sameBehind(sorted, len(prefix))
}

// sameBehind reports whether all names go on with digits at a place and end alike after them.
func sameBehind(names []string, at int) bool {
	suffix := names[0][at+digitsOf(names[0][at:]):]
	return !slices.ContainsFunc(names, func(n string) bool {
		d := digitsOf(n[at:])
		return d == 0 || n[at+d:] != suffix
	})
}

// classNames returns the class names from folders or answers, in the order of their scores. Two
// names with different bytes that look the same are an error: é can be one character or two.
func classNames(where string, found []string) ([]string, error) {
	byForm := map[string]string{}
	var names []string
	for _, n := range found {
		form := norm.NFC.String(n)
		if other, ok := byForm[form]; ok && other != n {
			return nil, fmt.Errorf("data: %s has two classes that look the same, %+q and %+q: one writes an accented letter as one character, one as two; give both one name", where, other, n)
		}
		byForm[form] = n
		names = append(names, form)
	}
	return SortNames(names), nil
}

// classOf finds a class by its name, -1 if there is none. If no name is equal, it ignores case, or
// takes the name as one of several that the class goes by, as long as only one class fits.
func classOf(classes []string, name string) int {
	name = norm.NFC.String(name)
	if i := slices.IndexFunc(classes, func(c string) bool { return c == name || norm.NFC.String(c) == name }); i >= 0 {
		return i
	}
	found := -1
	for i, c := range classes {
		if !slices.ContainsFunc(namesOf(c), func(s string) bool { return strings.EqualFold(plainName(s), plainName(name)) }) {
			continue
		}
		if found >= 0 {
			return -1
		}
		found = i
	}
	return found
}

// namesOf are the names that a class goes by: its own, those separated by commas, and a WordNet
// synset in front of them.
func namesOf(class string) []string {
	out := append(strings.Split(class, ","), class)
	if synset, rest, ok := strings.Cut(class, " "); ok && wordNet.MatchString(synset) {
		out = append(append(out, synset, rest), strings.Split(rest, ",")...)
	}
	return out
}

// plainName replaces underscores in a name by spaces, and 1.0 by 1.
func plainName(s string) string {
	return wholeNumber(strings.TrimSpace(strings.ReplaceAll(norm.NFC.String(s), "_", " ")))
}

// Own are the classes of a model whose own head is used.
type Own struct {
	Names    []string // in the order of the scores; nil if the model does not name them
	From     string   // where the names come from
	Numbered bool     // Names are the numbers of the scores, as nothing names them
	Several  bool     // several of them may apply to an example
	Exact    bool     // the data's classes must be among Names, as where the head is not trained
	Mend     string   // what helps where one is not, beside renaming it; "": to train the head
}

// order puts the data's classes in the order of a model's scores. It errors if the model knows only
// some of them.
func (o *Own) order(where string, classes []string) (ordered, remarks []string, err error) {
	if o.Exact {
		return o.match(where, classes)
	}
	if o.Names == nil {
		return classes, []string{fmt.Sprintf("the model does not say what its scores are called: they are taken for %s, in this order (id2label of a config.json, or a labels.txt, beside the model says another)", list(classes))}, nil
	}
	var unknown []string
	for _, c := range classes {
		if classOf(o.Names, c) < 0 {
			unknown = append(unknown, c)
		}
	}
	switch {
	case len(unknown) == 0:
		return o.Names, []string{fmt.Sprintf("classes have the scores that %s gives them by name", o.From)}, nil
	case len(unknown) < len(classes):
		return nil, nil, fmt.Errorf("data: %s: option head keep: the model knows no class %s: %s names %s; rename the classes, or use option head linear", where, list(unknown), o.From, list(o.Names))
	case len(classes) != len(o.Names):
		return nil, nil, fmt.Errorf("data: %s: option head keep: the model has %d classes (%s), the data %d others (%s); use option head linear", where, len(o.Names), list(o.Names), len(classes), list(classes))
	}
	return classes, []string{fmt.Sprintf("none of the classes is called as %s has it: %s are taken for %s, in this order", o.From, list(classes), list(o.Names))}, nil
}

// wordNet is the form of a synset's name in ImageNet's folders, whose sorted order is that of the
// usual 1000 scores.
var wordNet = regexp.MustCompile(`^n[0-9]{8}$`)

// match is order for a head that is not trained: a class that is none of the model's is an error.
// Only as many WordNet synsets as there are scores without names are taken in their order.
func (o *Own) match(where string, classes []string) (ordered, remarks []string, err error) {
	var unknown []string
	synsets := true
	for _, c := range classes {
		synsets = synsets && wordNet.MatchString(c)
		if classOf(o.Names, c) < 0 {
			unknown = append(unknown, c)
		}
	}
	switch {
	case len(unknown) == 0:
		return o.Names, nil, nil
	case o.Numbered && synsets && len(classes) == len(o.Names):
		return classes, []string{fmt.Sprintf("%s: the %d synsets of WordNet are taken for the model's scores, in their order", where, len(classes))}, nil
	case o.Numbered:
		return nil, nil, fmt.Errorf("data: %s has the classes %s, and the model calls its own only by number (%s): name them in a labels.txt beside the model, one a line in the order of its scores", where, list(classes), list(o.Names))
	}
	mend := cmp.Or(o.Mend, "tune the model to them with permafrost fit")
	return nil, nil, fmt.Errorf("data: %s: the model has no class %s (the data have %s; by %s the model has %s): rename them, or %s", where, list(unknown), list(classes), o.From, list(o.Names), mend)
}

// Order puts the data's names in the order of the model's scores if its own head is kept.
func (d *Dataset) Order(names []string) ([]string, error) {
	if d.own == nil {
		return names, nil
	}
	ordered, remarks, err := d.own.order(d.Root, names)
	d.Remarks = append(d.Remarks, remarks...)
	return ordered, err
}
