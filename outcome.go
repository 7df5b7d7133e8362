package permafrost

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// ClassScore says how a model does on one class, or on one label of multilabel. What would be
// divided by zero is nil, null in JSON.
type ClassScore struct {
	Class     string   `json:"class"`
	Examples  int64    `json:"examples"`  // that are of the class
	Predicted int64    `json:"predicted"` // that the model takes for it
	Precision *float64 `json:"precision"` // the share of Predicted that is right
	Recall    *float64 `json:"recall"`    // the share of Examples that is found
	F1        *float64 `json:"f1"`        // the harmonic mean of the two
}

// Confused counts the examples of one class that a model takes for another.
type Confused struct {
	Label     string `json:"label"`
	Predicted string `json:"predicted"`
	Examples  int64  `json:"examples"`
}

// Outcome compares a model's answer to one example with the right one. The task decides which
// fields are set.
type Outcome struct {
	Input     string  // path of a file, or of a table with the line, as val.csv:12
	Text      string  // of a row of texts; a tab separates the texts of a pair
	Label     string  // the right answer, in the form that a table has it
	Predicted string  // the model's answer, in the same form; empty if its scores are NaN
	Correct   bool    // they are equal; never of regress
	Loss      float64 // of this example; Evaluation.Loss is the mean

	// probabilities of the right answer and of the model's. (classify, multilabel)
	LabelProbability, Probability *float64
	Residual                      *float64 // the model's number minus the right one (regress)
	Edits                         *int     // symbols to insert, delete and replace (ctc)
	ErrorRate                     *float64 // Edits per symbol of the right transcript (ctc)
}

func evaluationOf(e *tuned.Evaluation) *Evaluation {
	out := &Evaluation{
		Accuracy: e.Accuracy, ECE: e.ECE, ECEChance: e.Chance, GuessLoss: e.GuessLoss, Metric: metricOf(e.Metric), Loss: e.Loss, Examples: e.Examples, Split: e.Split, Seconds: e.Seconds,
		Classes: e.Classes, Confusion: e.Confusion, Skipped: skippedOf(e.Skipped), Notes: e.Notes,
		Confused: each(e.Confused, func(c task.Confusion) Confused {
			return Confused{e.Classes[c.Truth], e.Classes[c.Guess], c.Count}
		}),
		Each: each(e.Each, func(o tuned.Outcome) Outcome {
			return Outcome{o.Input, o.Text, o.Label, o.Predicted, o.Correct, o.Loss, o.LabelProbability, o.Probability, o.Residual, o.Edits, o.ErrorRate}
		}),
	}
	for i, s := range e.PerClass {
		out.PerClass = append(out.PerClass, ClassScore{e.Classes[i], s.Examples, s.Predicted, s.Precision, s.Recall, s.F1})
	}
	return out
}

// Mistakes returns the examples with a wrong answer, the largest loss first. For regress, where no
// number is exactly right, these are all examples.
func (e *Evaluation) Mistakes() []Outcome {
	return slices.DeleteFunc(e.worstFirst(), func(o Outcome) bool { return o.Correct })
}

func (e *Evaluation) worstFirst() []Outcome {
	out := slices.Clone(e.Each)
	slices.SortStableFunc(out, func(a, b Outcome) int {
		return task.Worst(task.Outcome{Loss: a.Loss}, task.Outcome{Loss: b.Loss})
	})
	return out
}

// WriteMistakes writes Mistakes as a CSV file, completely or not at all. Its columns are input,
// text (of tables of texts), label, predicted, what the task has of label_probability, probability,
// residual, edits and error_rate, and loss.
func (e *Evaluation) WriteMistakes(path string) error { return e.write(path, e.Mistakes()) }

// WriteEach writes all examples like WriteMistakes.
func (e *Evaluation) WriteEach(path string) error { return e.write(path, e.worstFirst()) }

func (e *Evaluation) write(path string, outcomes []Outcome) error {
	columns := []string{"input"}
	text := slices.ContainsFunc(e.Each, func(o Outcome) bool { return o.Text != "" })
	if text {
		columns = append(columns, "text")
	}
	columns = append(columns, "label", "predicted")
	if len(e.Each) > 0 {
		names, _ := e.Each[0].numbers()
		columns = append(columns, names...)
	}
	rows := [][]string{append(columns, "loss")}
	for _, o := range outcomes {
		row := []string{o.Input}
		if text {
			row = append(row, o.Text)
		}
		_, values := o.numbers()
		row = append(append(row, o.Label, o.Predicted), values...)
		rows = append(rows, append(row, digits(o.Loss)))
	}
	return writeCSV(path, rows)
}

// numbers returns the names and values of what the task has beside the loss.
func (o Outcome) numbers() (names, values []string) {
	switch {
	case o.LabelProbability != nil:
		predicted := ""
		if o.Probability != nil {
			predicted = digits(*o.Probability)
		}
		return []string{"label_probability", "probability"}, []string{digits(*o.LabelProbability), predicted}
	case o.Residual != nil:
		return []string{"residual"}, []string{digits(*o.Residual)}
	case o.Edits != nil:
		return []string{"edits", "error_rate"}, []string{strconv.Itoa(*o.Edits), digits(*o.ErrorRate)}
	}
	return nil, nil
}

// WritePredictions writes predictions as a CSV file, completely or not at all. Its columns are
// input, label and, where the task has one, probability. The label is the class, the labels joined
// by "|", the number or the text, as a table has right answers.
func WritePredictions(path string, predictions []Prediction) error {
	probable := slices.ContainsFunc(predictions, func(p Prediction) bool { return p.Label != "" })
	rows := [][]string{{"input", "label"}}
	if probable {
		rows[0] = append(rows[0], "probability")
	}
	for _, p := range predictions {
		row := []string{p.Input, p.answer()}
		if probable {
			row = append(row, digits(p.Probability))
		}
		rows = append(rows, row)
	}
	return writeCSV(path, rows)
}

func writeCSV(path string, rows [][]string) error {
	err := atomicfile.Write(path, func(w io.Writer) error {
		c := csv.NewWriter(w)
		return c.WriteAll(rows)
	})
	if err != nil {
		return badInput(fmt.Errorf("%s: %w", path, err))
	}
	return nil
}

// digits writes a number with as many digits as float32 has.
func digits(v float64) string { return strconv.FormatFloat(v, 'g', 7, 64) }
