package data

// Target is the right answer to an example, in the form of its task.
type Target struct {
	Class  int     // classify: an index into the classes; -1 where it is not known
	Labels []int   // multilabel: indices of those that hold, ascending; ctc: the transcript's symbols in order; lm: the tokens of the text
	Value  float64 // regress: the number
}

// Target is the right answer to example i.
func (d *Dataset) Target(i int) Target { return Target{Class: d.Examples[i].Label} }
