package data

import "fmt"

// Measured is the part of a set of examples that a finished model is measured by.
type Measured struct {
	Place
	Split   string   // "test" or "val"; "" where the examples are not divided
	remarks []string // what a user should know of the choice
	val     Place    // the validation examples, where Place is the test examples
}

// Eval is the part to measure a finished model by: the test examples, or where there are none the
// validation examples, by which the weights may have been chosen. It errors if there is neither,
// and if two parts could be meant by test.
func (s Splits) Eval() (Measured, error) {
	m := Measured{Place: s.Test, Split: "test", val: s.Val}
	switch {
	case !s.secondTest.IsZero():
		return Measured{}, fmt.Errorf("data: %s holds %s and %s, of which either could be meant: name the examples to measure by", s.root, s.Test.name(), s.secondTest.name())
	case s.Test.IsZero() && s.Val.IsZero():
		return Measured{}, fmt.Errorf("data: %s holds no validation or test examples beside %s: name the examples to measure by", s.root, s.Train.name())
	case s.Test.IsZero():
		m = Measured{Place: s.Val, Split: "val"}
	}
	m.remarks = []string{fmt.Sprintf("%s: measuring on %s", s.root, m.name())}
	return m, nil
}

// Opened completes what opening the part gave: the Dataset says which part it is, and an error over
// test examples names the validation examples, since test examples may have no answers.
func (m Measured) Opened(d *Dataset, err error) (*Dataset, error) {
	if err != nil {
		if !m.val.IsZero() && m.val.part == noSplit {
			err = fmt.Errorf("%w; to measure on %s, give %s", err, m.val.name(), m.val.Path)
		}
		return nil, err
	}
	d.Part = m.Split
	d.Remarks = append(d.Remarks, m.remarks...)
	return d, nil
}
