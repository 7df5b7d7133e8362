package data

import (
	"cmp"
	"fmt"
	"slices"
)

// DefaultTask is the task of examples whose answers look like those of no other task.
const DefaultTask = "classify"

// Answers say how the right answers of a task are given in folders and tables.
type Answers struct {
	Classes bool // one of at least two classes, which folders may name
	Empty   bool // an answer may be empty
	// in a table of files, the column of texts holds the answers; such a table without a label
	// column is for this task
	Column bool

	// Looks reports whether answers look like those of the task. They are names of folders or cells
	// of a table. If nil, the task must be asked for by name.
	Looks func(answers []string, folders bool) bool
	// Like reports whether one answer has the form that all of the task have, as a number has. Nil:
	// any answer may be one.
	Like func(answer string) bool
	// Sign reports whether one answer shows by itself that it is of the task. Nil: none does.
	Sign func(answer string) bool
}

type taskAnswers struct {
	task string
	Answers
}

var tasks []taskAnswers

// RegisterTask registers the answers of a task; package task calls it. It panics if the name is
// taken. Call it only from init functions.
func RegisterTask(name string, a Answers) {
	if slices.ContainsFunc(tasks, func(t taskAnswers) bool { return t.task == name }) {
		panic(fmt.Sprintf("data: task %q is registered twice", name))
	}
	tasks = append(tasks, taskAnswers{name, a})
}

// answersOf returns the answers of a task. For "" it returns those of the default task.
func answersOf(task string) Answers {
	i := slices.IndexFunc(tasks, func(t taskAnswers) bool { return t.task == cmp.Or(task, DefaultTask) })
	if i < 0 {
		return Answers{}
	}
	return tasks[i].Answers
}

// FindTask returns the first task that the answers look like, else the default.
func FindTask(answers []string, folders bool) string {
	for _, t := range tasks {
		if t.Looks != nil && t.Looks(answers, folders) {
			return t.task
		}
	}
	return DefaultTask
}

// inTexts returns the task of a table of files whose answers are in the column of texts: the
// requested one, or the first such task. It returns "" if there is none.
func inTexts(task string) string {
	for _, t := range tasks {
		if t.Column && (task == "" || task == t.task) {
			return t.task
		}
	}
	return ""
}
