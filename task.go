package permafrost

import "github.com/permafrost-ml/permafrost/internal/taskname"

// The tasks, as Config.Task and Model.Task name them.
const (
	TaskClassify   = taskname.Classify   // one class of several
	TaskMultilabel = taskname.Multilabel // any number of labels
	TaskRegress    = taskname.Regress    // a number
	TaskLM         = taskname.LM         // the next token of a text
	TaskCTC        = taskname.CTC        // a transcript
)
