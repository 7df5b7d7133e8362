package feed

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// A language model learns from texts without answers: a file .txt, a folder with train.txt and val.txt, or a table with a column of
// texts. They are laid one behind the other, each with the special tokens that the model wants around a text, and cut into
// blocks of as many tokens as the model gets.

// findPlain resolves what --data and --val name into plain texts, as data.FindTables does tables.
func findPlain(path, valPath string) (train, val string, ok bool) {
	plain := func(path string) string {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && strings.EqualFold(filepath.Ext(path), ".txt") {
			return path
		}
		return ""
	}
	if train = plain(path); train == "" {
		train, val = plain(filepath.Join(path, "train.txt")), plain(filepath.Join(path, "val.txt"))
	}
	if valPath != "" {
		val = cmp.Or(plain(filepath.Join(valPath, "val.txt")), valPath)
	}
	return train, val, train != ""
}

// plainTexts reads texts without answers. It gives none where path holds answers too and the task is not lm.
func (f *Texts) plainTexts(path, name string) ([]string, error) {
	if !data.IsTable(path) {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		return []string{string(b)}, nil
	}
	t, err := data.ReadTable(path)
	if err != nil {
		return nil, err
	}
	if name == "" && (len(t.Columns) > 1 || f.columns.Label != "") { // a column of answers is there, or missing
		return nil, nil
	}
	text, second, err := f.textColumns(t)
	if err != nil {
		return nil, err
	}
	if second >= 0 {
		return nil, fmt.Errorf("data: %s: a language model takes texts, not pairs: name one column with --text-column", path)
	}
	var out []string
	for _, row := range t.Rows {
		out = append(out, row[text])
	}
	return out, nil
}

// openBlocks opens texts to model, where path holds such or the task is lm.
func (f *Texts) openBlocks(ctx context.Context, path string, opt data.Options) (train, val *data.Dataset, ok bool, err error) {
	trainPath, valPath, ok := findPlain(path, opt.Val)
	if ok && opt.Task != "" && opt.Task != task.NameLM {
		return nil, nil, true, fmt.Errorf("data: %s holds no answers, which --task %s learns: give a table", trainPath, opt.Task)
	}
	if !ok {
		if trainPath, valPath, ok = data.FindTables(path, opt.Val); !ok || opt.Task != "" && opt.Task != task.NameLM {
			return nil, nil, false, nil
		}
	}
	if train, err = f.blocks(ctx, trainPath, opt); err != nil || train == nil {
		return nil, nil, err != nil, err
	}
	if valPath == "" {
		if train, val = train.Split(opt.Seed); val.Len() == 0 {
			why := ""
			if opt.Task == "" {
				why = " has no answers, so that its text itself is learned, and"
			}
			return nil, nil, true, fmt.Errorf("data: %s%s has at most %d tokens, too few to hold a block of %d out: lower --max-length, or give a validation text",
				trainPath, why, train.Len()*f.most, f.most)
		}
		return train, val, true, nil
	}
	opt.Task = task.NameLM
	val, err = f.blocks(ctx, valPath, opt)
	return train, val, true, err
}

// blocks reads texts and cuts them into examples; nil where path holds answers and the task is not said.
func (f *Texts) blocks(ctx context.Context, path string, opt data.Options) (*data.Dataset, error) {
	all, err := f.plainTexts(path, opt.Task)
	if err != nil || all == nil {
		return nil, err
	}
	var ids []int
	for _, text := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if strings.TrimSpace(text) != "" {
			ids = append(ids, f.Tokenizer.Encode(text, nil, 0).IDs...)
		}
	}
	s := &texts{feed: f}
	var examples []data.Example
	for block := range slices.Chunk(ids, f.most) {
		if len(block) < 2 { // nothing is foretold
			continue
		}
		examples = append(examples, data.Example{Path: fmt.Sprintf("%s, block %d", path, len(examples)+1), Label: -1})
		s.rows = append(s.rows, textRow{narrow(block), make([]int32, len(block))})
	}
	if len(examples) == 0 {
		return nil, fmt.Errorf("data: %s has no text", path)
	}
	opt.Texts = true
	d := data.New(path, nil, examples, s, opt)
	d.Task = task.NameLM
	return d, nil
}
