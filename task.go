package permafrost

import "github.com/permafrost-ml/permafrost/internal/task"

// The tasks in Config.Task and Model.Task.
const (
	TaskClassify   = task.NameClassify   // one class of several
	TaskMultilabel = task.NameMultilabel // any number of labels
	TaskRegress    = task.NameRegress    // a number
	TaskLM         = task.NameLM         // the next token of a text
	TaskCTC        = task.NameCTC        // a transcript
)
