package data

import (
	"cmp"
	"fmt"
	"slices"
)

// DefaultTask is what examples are for where their answers look like those of no other task.
const DefaultTask = "classify"

// Answers say how the right answers of a task stand in folders and tables.
type Answers struct {
	Classes bool // one of at least two classes, which folders may be named after
	Empty   bool // an answer may be empty
	Column  bool // in a table of files they stand in the column of texts; one with no label is for this task

	// Looks reports whether answers look like those of the task: names of folders, or what stands
	// in a table. Nil: the task has to be asked for.
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

// RegisterTask makes the answers of a task known; package task calls it. It panics on a name that
// is taken. It is for init functions only.
func RegisterTask(name string, a Answers) {
	if slices.ContainsFunc(tasks, func(t taskAnswers) bool { return t.task == name }) {
		panic(fmt.Sprintf("data: task %q is registered twice", name))
	}
	tasks = append(tasks, taskAnswers{name, a})
}

// answersOf are those of a task; of "" those of the default.
func answersOf(task string) Answers {
	i := slices.IndexFunc(tasks, func(t taskAnswers) bool { return t.task == cmp.Or(task, DefaultTask) })
	if i < 0 {
		return Answers{}
	}
	return tasks[i].Answers
}

// FindTask tells what answers are for: the first task whose answers they look like, else the
// default.
func FindTask(answers []string, folders bool) string {
	for _, t := range tasks {
		if t.Looks != nil && t.Looks(answers, folders) {
			return t.task
		}
	}
	return DefaultTask
}

// inTexts is the task of a table of files whose answers stand in the column of texts: the one that
// was asked for, or the first that there is; "" for none.
func inTexts(task string) string {
	for _, t := range tasks {
		if t.Column && (task == "" || task == t.task) {
			return t.task
		}
	}
	return ""
}
