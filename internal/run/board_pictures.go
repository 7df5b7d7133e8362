package run

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensorboard"
)

// shows reports whether the answer for a validation example is to be kept. It chooses the examples
// when it is first asked: evenly among those that validate, so that several classes are seen.
func (b *board) shows(example int) bool {
	if b == nil {
		return false
	}
	if b.files == nil {
		b.files, b.said = map[int][]byte{}, map[int]task.Outcome{}
		val := b.loop.session.Val
		n := min(boardPictures, val.Len())
		for k := range n {
			i := k * val.Len() / n
			if p, err := val.Preview(i); err == nil && p != nil && strings.HasPrefix(p.MIME, "image/") {
				b.files[i], b.shown = p.Bytes, append(b.shown, i)
			}
		}
	}
	return b.files[example] != nil
}

// pictures are the shown examples with the answers of the last validation.
func (b *board) pictures() []tensorboard.Value {
	var out []tensorboard.Value
	for k, i := range b.shown {
		o, ok := b.said[i]
		if !ok {
			continue
		}
		if p, err := tensorboard.Captioned(b.files[i], answerLines(o)...); err == nil {
			out = append(out, tensorboard.Image(fmt.Sprintf("validation/%d", k+1), b.pathOf(i), p))
		}
	}
	return out
}

// mistakes writes the worst mistakes of the written weights: a table, and the pictures.
func (b *board) mistakes(at time.Time) {
	worst, count := b.loop.ofWritten()
	if len(worst) == 0 {
		return
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%d of %d validation examples, the worst of them:\n\n| example | is | said | loss |\n|---|---|---|---|\n", count, b.loop.session.Val.Len())
	var pictures []tensorboard.Value
	for k, m := range worst[:min(len(worst), boardMistakes)] {
		x := b.loop.session.Val.Examples[m.Example]
		fmt.Fprintf(&table, "| %s | %s | %s | %.4g |\n", cell(b.pathOf(m.Example)+" "+x.Text), cell(m.Label), cell(m.Predicted), m.Loss)
		p, err := b.loop.session.Val.Preview(m.Example)
		if err != nil || p == nil || !strings.HasPrefix(p.MIME, "image/") {
			continue
		}
		if shown, err := tensorboard.Captioned(p.Bytes, answerLines(m.Outcome)...); err == nil {
			about := fmt.Sprintf("%s: is %s, said %s", b.pathOf(m.Example), m.Label, m.Predicted)
			pictures = append(pictures, tensorboard.Image(fmt.Sprintf("%s/%02d", mistakeTag, k+1), about, shown))
		}
	}
	step := b.loop.st.Step
	b.w.Write(at, step, tensorboard.Text(mistakeTag, table.String()))
	b.w.Write(at, step, pictures...)
}

// cell is a text as a cell of a table in Markdown, not too long.
func cell(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 200 {
		text = string(r[:199]) + "…"
	}
	return strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(text)
}

func answerLines(o task.Outcome) []string {
	said := "said " + o.Predicted
	if o.Probability != nil {
		said += fmt.Sprintf(" %.2f", *o.Probability)
	}
	if o.Correct {
		return []string{said, "right"}
	}
	return []string{said, "is " + o.Label}
}

// pathOf names a validation example by its file below the data.
func (b *board) pathOf(example int) string {
	val := b.loop.session.Val
	path := val.Examples[example].Path
	if rel, err := filepath.Rel(val.Root, path); err == nil && filepath.IsLocal(rel) && rel != "." {
		return filepath.ToSlash(rel)
	}
	return filepath.Base(path)
}
