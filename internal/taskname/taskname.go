// Package taskname holds the names of the tasks, as the option task and a tuned file's record spell
// them. It stands below the packages that read data, which know what a task is called and nothing
// else of it.
package taskname

// The tasks.
const (
	Classify   = "classify"   // one class of several
	Multilabel = "multilabel" // any number of labels
	Regress    = "regress"    // a number
	LM         = "lm"         // the next token
	CTC        = "ctc"        // a transcript
)

// All lists the tasks.
func All() []string { return []string{Classify, Multilabel, Regress, LM, CTC} }
