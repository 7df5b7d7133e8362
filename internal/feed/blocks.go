package feed

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// A language model learns from texts without labels: a .txt file, a folder with train.txt and
// val.txt, or a table with a column of texts. The texts are concatenated, each with the special
// tokens that the model expects around a text. The result is cut into blocks of the model's context
// length.

// plainFormats are the extensions of plain texts.
var plainFormats = []string{".txt"}

func isPlain(p data.Place) bool {
	return p.Rows == nil && strings.EqualFold(path.Ext(p.Path), plainFormats[0]) && p.IsFile()
}

// findPlain resolves the options data and val to plain texts, like data.FindTables for tables.
func findPlain(p, val data.Place) (data.Splits, error) {
	s, err := data.Splits{Train: p}, error(nil)
	if !isPlain(p) {
		s, err = data.FindSplitFiles(p, plainFormats)
	}
	if err != nil || s.Train.IsZero() || val.IsZero() {
		return s, err
	}
	of, err := data.FindSplitFiles(val, plainFormats)
	if !of.Val.IsZero() {
		val = of.Val
	}
	return s.With(val), err
}

// evalPlain returns the plain text for measuring a finished model, none if there is none.
func evalPlain(p data.Place) (data.Measured, error) {
	if isPlain(p) {
		return data.Measured{Place: p}, nil
	}
	s, err := data.FindSplitFiles(p, plainFormats)
	if err != nil || s.IsZero() {
		return data.Measured{}, err
	}
	return s.Eval()
}

// plainTexts reads texts without labels. It returns none if there are labels too and the task is
// not lm.
func (f *Texts) plainTexts(p data.Place, name string) ([]string, error) {
	if !data.IsTable(p) {
		b, err := p.ReadFile()
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		return []string{string(b)}, nil
	}
	t, err := data.ReadTable(p)
	if err != nil {
		return nil, err
	}
	columns := f.columnsOf(p)
	// there is a label column, or one is missing
	if name == "" && (len(t.Columns) > 1 || columns.Label != "") {
		return nil, nil
	}
	text, second, err := columns.find(t)
	if err != nil {
		return nil, err
	}
	if second >= 0 {
		return nil, fmt.Errorf("data: %s: a language model takes texts, not pairs: name one column with option text_column", p.Path)
	}
	var out []string
	for _, row := range t.Rows {
		out = append(out, row[text])
	}
	return out, nil
}

// openBlocks opens texts for language modelling if the place has texts without labels, or if the
// task is lm.
func (f *Texts) openBlocks(ctx context.Context, p data.Place, opt data.Options) (train, val *data.Dataset, ok bool, err error) {
	parts, err := findPlain(p, opt.Val)
	if err != nil {
		return nil, nil, true, err
	}
	if !parts.Train.IsZero() && opt.Task != "" && !task.LearnsTokens(opt.Task) {
		return nil, nil, true, fmt.Errorf("data: %s holds no answers, which option task %s learns: give a table", parts.Train.Path, opt.Task)
	}
	if parts.Train.IsZero() {
		if parts, err = data.FindTables(p, opt.Val, opt.Table); err != nil || parts.Train.IsZero() || opt.Task != "" && !task.LearnsTokens(opt.Task) {
			return nil, nil, err != nil, err
		}
	}
	trainPlace, valPlace := parts.Train, parts.Val
	if train, err = f.blocks(ctx, trainPlace, opt); err != nil || train == nil {
		return nil, nil, err != nil, err
	}
	if opt.Table.Group != "" {
		return nil, nil, true, option.Errorf("group", "%s: a language model learns blocks of one long text, which are of no groups; leave it out", opt.Table.Group)
	}
	train.Remarks = append(train.Remarks, parts.Remarks()...)
	if valPlace.IsZero() {
		if train, val = train.Split(opt.Seed); val.Len() == 0 {
			why := ""
			if opt.Task == "" {
				why = " has no answers, so that its text itself is learned, and"
			}
			return nil, nil, true, fmt.Errorf("data: %s%s has at most %d tokens, too few to hold a block of %d out: lower option max_length, or give a validation text",
				trainPlace.Path, why, train.Len()*f.most, f.most)
		}
		return train, val, true, nil
	}
	opt.Task = train.Task
	val, err = f.blocks(ctx, valPlace, opt)
	return train, val, true, err
}

// blocks reads texts and cuts them into examples. It returns nil if there are labels and no task
// was given.
func (f *Texts) blocks(ctx context.Context, p data.Place, opt data.Options) (*data.Dataset, error) {
	all, err := f.plainTexts(p, opt.Task)
	if err != nil || all == nil {
		return nil, err
	}
	var ids []int
	for _, text := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if strings.TrimSpace(text) != "" {
			more := f.Tokenizer.Encode(text, nil, 0).IDs
			if err := f.unknown(more); err != nil {
				return nil, fmt.Errorf("data: %s: %w", p.Path, err)
			}
			ids = append(ids, more...)
		}
	}
	s := &texts{feed: f}
	var examples []data.Example
	for block := range slices.Chunk(ids, f.most) {
		if len(block) < 2 { // too short: there is no token to predict
			continue
		}
		examples = append(examples, data.Example{Path: fmt.Sprintf("%s, block %d", p.Path, len(examples)+1), Label: -1})
		s.rows = append(s.rows, textRow{narrow(block), make([]int32, len(block))})
	}
	if len(examples) == 0 {
		return nil, fmt.Errorf("data: %s has no text", p.Path)
	}
	d := data.New(p.Path, nil, examples, s, textMedia, opt)
	d.Task = cmp.Or(opt.Task, task.NameLM)
	return d, nil
}
