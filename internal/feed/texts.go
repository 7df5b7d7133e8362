package feed

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/gzipped"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tokenize"
)

// Texts feeds a model with texts, or pairs of texts: a token a step.
type Texts struct {
	Tokenizer *tokenize.Tokenizer
	file      []byte // the tokenizer's file
	form      data.Form
	roles     []Role // of the inputs
	most      int    // tokens of a text, special ones included
	least     int    // likewise: shorter ones are padded to it
	columns   data.Columns
	notes     []string
}

// Role is what an input of a language model takes for each token.
type Role int

const (
	TokenIDs   Role = iota // the token's id
	TokenMask              // 1, and 0 for padding
	TokenType              // 1 in the second text of a pair, else 0
	TokenPlace             // its position from 0 on
)

// RoleOf tells the role of an input by its name.
func RoleOf(name string) Role {
	name = strings.ToLower(name)
	switch {
	case strings.Contains(name, "mask"):
		return TokenMask
	case strings.Contains(name, "type") || strings.Contains(name, "segment"):
		return TokenType
	case strings.Contains(name, "position"):
		return TokenPlace
	}
	return TokenIDs
}

// takesTokens reports whether a model's inputs are those of a language model: integers [N,T], one of them the ids.
func takesTokens(m *onnx.Model) bool {
	_, _, err := tokenInputs(m)
	return err == nil
}

// tokenInputs finds the roles of a model's inputs, and the fixed number of tokens that they take, or -1.
func tokenInputs(m *onnx.Model) (roles []Role, length int, err error) {
	length = -1
	seen := map[Role]string{}
	for _, in := range m.Graph.Inputs {
		dt, s := in.Type.DType, in.Type.Shape
		if len(s) != 2 || dt != tensor.Int64 && dt != tensor.Int32 {
			return nil, 0, fmt.Errorf("the model's input %q is %v; texts need int64 or int32 [N,T]", in.Name, in.Type)
		}
		r := RoleOf(in.Name)
		if other, ok := seen[r]; ok {
			return nil, 0, fmt.Errorf("the model's inputs %q and %q seem to take the same", other, in.Name)
		}
		if r == TokenIDs && !strings.Contains(strings.ToLower(in.Name), "id") && !strings.Contains(strings.ToLower(in.Name), "token") {
			return nil, 0, fmt.Errorf("the model's input %q does not seem to take tokens", in.Name)
		}
		seen[r] = in.Name
		roles = append(roles, r)
		if s[1] >= 0 {
			length = s[1]
		}
	}
	if _, ok := seen[TokenIDs]; !ok {
		return nil, 0, errors.New("the model has no input of token ids")
	}
	return roles, length, nil
}

// textSettings are what the record says of texts. The tokenizer is in it whole, so that the tuned file needs no other.
type textSettings struct {
	Tokenizer []byte       `json:"tokenizer"` // tokenizer.json, gzip
	Digest    string       `json:"tokenizer_sha256"`
	MaxLength int          `json:"max_length"`
	Columns   data.Columns `json:"columns,omitzero"`
}

// maxTokenizer bounds a tokenizer file in bytes.
const maxTokenizer = 128 << 20

// usualLength is how many tokens a text may have where nothing says how many the model takes.
const usualLength = 512

func newTexts(m *onnx.Model, o Options) (*Texts, error) {
	f := &Texts{columns: o.Table, most: o.MaxLength}
	var set textSettings
	if o.Kind == KindText && o.Settings != nil {
		if err := json.Unmarshal(o.Settings, &set); err != nil {
			return nil, fmt.Errorf("%s: %w", KeySettings, err)
		}
		f.most = cmp.Or(f.most, set.MaxLength)
		if f.columns == (data.Columns{}) {
			f.columns = set.Columns
		}
	}
	roles, length, err := tokenInputs(m)
	if err != nil {
		return nil, err
	}
	f.roles = roles
	if err := f.readTokenizer(m, o, set); err != nil {
		return nil, err
	}
	if err := f.fits(m); err != nil {
		return nil, err
	}
	switch {
	case length >= 0 && f.most > length:
		return nil, fmt.Errorf("max_length: the model takes texts of %d tokens, not %d", length, f.most)
	case length >= 0:
		f.most = length
	case f.most == 0:
		f.most = mostTokens(m, f, f.declared(o))
	}
	if f.form = f.formOf(m, length >= 0); f.form.Exact {
		f.least = leastTokens(m, f.most)
	}
	return f, nil
}

// formOf is one row a text where the model takes a fixed number of tokens. Without a mask padding would be read as a part of the text, so that
// only texts of the same length go together.
func (f *Texts) formOf(m *onnx.Model, fixed bool) data.Form {
	form := data.Form{Most: f.most, Exact: !fixed && !slices.Contains(f.roles, TokenMask)}
	shape := tensor.Shape{}
	if fixed {
		form.Rows, form.Most, shape = true, 1, tensor.Shape{f.most}
	}
	for i, in := range m.Graph.Inputs {
		input := data.Input{Name: in.Name, DType: in.Type.DType, Shape: shape}
		if f.roles[i] == TokenIDs {
			input.Pad = int64(f.Tokenizer.Pad())
		}
		form.Inputs = append(form.Inputs, input)
	}
	return form
}

// readTokenizer finds the tokenizer: as named, as the tuned file carries it, beside the model.
func (f *Texts) readTokenizer(m *onnx.Model, o Options, set textSettings) error {
	path := o.Tokenizer
	var err error
	switch {
	case path == "" && set.Tokenizer != nil:
		path = KeySettings
		if f.file, err = gzipped.Unpack(set.Tokenizer, maxTokenizer); err != nil {
			return fmt.Errorf("%s: tokenizer: %w", KeySettings, err)
		}
	case path == "":
		if path = FindTokenizer(m.Path); path == "" {
			return fmt.Errorf("the model takes tokens, and there is no tokenizer beside it: name its tokenizer.json with --tokenizer")
		}
	}
	if f.file == nil {
		if f.file, err = os.ReadFile(path); err != nil {
			return fmt.Errorf("tokenizer: %w", err)
		}
	}
	if f.Tokenizer, err = tokenize.Parse(f.file); err != nil {
		return fmt.Errorf("tokenizer %s: %w", path, err)
	}
	return nil
}

// FindTokenizer is the tokenizer that belongs to a model file: MODEL-without-.onnx + .tokenizer.json, else tokenizer.json beside it, else "".
func FindTokenizer(modelPath string) string {
	if modelPath == "" {
		return ""
	}
	for _, path := range []string{strings.TrimSuffix(modelPath, ".onnx") + ".tokenizer.json", filepath.Join(filepath.Dir(modelPath), "tokenizer.json")} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// declared is how many tokens the tokenizer's file, or the tokenizer_config.json beside it, say that the model takes; 0 where neither does.
func (f *Texts) declared(o Options) int {
	var t struct {
		Truncation *struct {
			Length int `json:"max_length"`
		} `json:"truncation"`
	}
	var c struct {
		Length float64 `json:"model_max_length"`
	}
	if o.Tokenizer != "" {
		if b, err := os.ReadFile(filepath.Join(filepath.Dir(o.Tokenizer), "tokenizer_config.json")); err == nil && json.Unmarshal(b, &c) == nil && c.Length > 1 && c.Length < 1<<20 {
			return int(c.Length)
		}
	}
	if json.Unmarshal(f.file, &t) == nil && t.Truncation != nil && t.Truncation.Length > 1 {
		return t.Truncation.Length
	}
	return 0
}

// mostTokens is the largest number of tokens up to what is declared, halved until the model's shapes allow it: a table of positions has an
// end.
func mostTokens(m *onnx.Model, f *Texts, declared int) int {
	most := cmp.Or(declared, usualLength)
	for ; most > 8; most /= 2 {
		shapes := map[string]tensor.Shape{}
		for _, in := range m.Graph.Inputs {
			shapes[in.Name] = tensor.Shape{2, most}
		}
		if _, err := compile.Model(m.Graph, compile.Options{Shapes: shapes, Plain: true}); err == nil {
			break
		}
	}
	return most
}

// leastTokens is the smallest number of tokens that the model's shapes allow: a convolution needs as many as it reads at once.
func leastTokens(m *onnx.Model, most int) int {
	for least := 1; least < min(most, leastLimit); least++ {
		shapes := map[string]tensor.Shape{}
		for _, in := range m.Graph.Inputs {
			shapes[in.Name] = tensor.Shape{2, least}
		}
		if _, err := compile.Model(m.Graph, compile.Options{Shapes: shapes, Plain: true}); err == nil {
			return least
		}
	}
	return 1
}

// leastLimit is where leastTokens gives up: what is wrong with the model is told when it is compiled.
const leastLimit = 64

// fits errors where the tokenizer gives ids that the model has no row for.
func (f *Texts) fits(m *onnx.Model) error {
	isIDs := map[*ir.Value]bool{}
	for i, in := range m.Graph.Inputs {
		isIDs[in] = f.roles[i] == TokenIDs
	}
	for _, n := range m.Graph.Nodes {
		switch {
		case n.Op == "Cast" && isIDs[n.In(0)]:
			isIDs[n.Outputs[0]] = true
		case n.Op == "Gather" && isIDs[n.In(1)] && n.In(0) != nil && n.In(0).Kind == ir.Param:
			if rows := n.In(0).Type.Shape[0]; f.Tokenizer.Size() > rows {
				return fmt.Errorf("the tokenizer gives ids up to %d, and the model's table %q has %d rows: it belongs to another model, name the right one with --tokenizer",
					f.Tokenizer.Size()-1, n.In(0).Name, rows)
			}
		}
	}
	return nil
}

func (*Texts) Kind() string      { return KindText }
func (f *Texts) Form() data.Form { return f.form }
func (f *Texts) Notes() []string { return f.notes }

// MaxLength is how many tokens of a text the model gets at most, special ones included.
func (f *Texts) MaxLength() int { return f.most }

// Digest names the inputs and their order; the tokens of a text are in its own digest.
func (f *Texts) Digest() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "texts/1 %v %v", f.roles, f.form))
}

func (f *Texts) Settings() (json.RawMessage, error) {
	return json.Marshal(textSettings{gzipped.Pack(f.file), fmt.Sprintf("%x", sha256.Sum256(f.file)), f.most, f.columns})
}

func (f *Texts) Open(ctx context.Context, path string, opt data.Options) (train, val *data.Dataset, err error) {
	if train, val, ok, err := f.openBlocks(ctx, path, opt); ok {
		return train, val, err
	}
	trainPath, valPath, ok := data.FindTables(path, opt.Val)
	if !ok {
		return nil, nil, fmt.Errorf("data: %s: the model takes texts: give a CSV, TSV or JSONL table, or a folder with train.csv and val.csv", path)
	}
	if train, err = f.table(ctx, trainPath, nil, opt); err != nil {
		return nil, nil, err
	}
	if valPath == "" {
		if train, val = train.Split(opt.Seed); val.Len() == 0 {
			return nil, nil, fmt.Errorf("data: %s has too few rows to hold any out: give a validation table", trainPath)
		}
		return train, val, nil
	}
	opt.Task = train.Task
	val, err = f.table(ctx, valPath, train.Classes, opt)
	return train, val, err
}

func (f *Texts) OpenEval(ctx context.Context, path string, classes []string, opt data.Options) (*data.Dataset, error) {
	t, v, ok := data.FindTables(path, "")
	if opt.Task == task.NameLM {
		if a, b, plain := findPlain(path, ""); plain {
			t, v, ok = a, b, true
		}
		if ok {
			return f.blocks(ctx, cmp.Or(v, t), opt)
		}
	}
	if !ok {
		return nil, fmt.Errorf("data: %s: the model takes texts: give a CSV, TSV or JSONL table, or a folder with val.csv", path)
	}
	return f.table(ctx, cmp.Or(v, t), classes, opt)
}

// table reads a table of texts and answers. Rows without a text are skipped.
func (f *Texts) table(ctx context.Context, path string, classes []string, opt data.Options) (*data.Dataset, error) {
	t, err := data.ReadTable(path)
	if err != nil {
		return nil, err
	}
	text, second, err := f.textColumns(t)
	if err != nil {
		return nil, err
	}
	label, err := t.Need("--label-column", cmp.Or(f.columns.Label, "label"))
	if err != nil {
		return nil, err
	}
	examples := make([]data.Example, len(t.Rows))
	inputs := make([]input, len(t.Rows))
	for i, row := range t.Rows {
		examples[i] = data.Example{Path: fmt.Sprintf("%s:%d", path, t.Lines[i]), Label: -1, Answer: strings.TrimSpace(row[label])}
		inputs[i].text = row[text]
		if second >= 0 {
			inputs[i].pair = &row[second]
		}
	}
	name, classes, err := data.Answers(t, examples, opt.Task, classes)
	if err != nil {
		return nil, err
	}
	d, err := f.dataset(ctx, path, classes, examples, inputs, opt)
	if err != nil {
		return nil, err
	}
	d.Task = name
	if n := len(d.Skipped); n*10 > len(t.Rows) {
		return nil, fmt.Errorf("data: %d of %d texts in %s cannot be used, more than a tenth (the first: %s: %w): mend or remove them", n, len(t.Rows), path, d.Skipped[0].Path, d.Skipped[0].Err)
	}
	return d, nil
}

// textColumns finds the column of texts, and the second one of pairs or -1.
func (f *Texts) textColumns(t *data.Table) (text, second int, err error) {
	if a, b, ok := strings.Cut(f.columns.Text, ","); ok {
		if text, err = t.Need("--text-column", a); err != nil {
			return 0, 0, err
		}
		second, err = t.Need("--text-column", b)
		return text, second, err
	}
	if f.columns.Text == "" {
		if text, second = t.Column("text_a"), t.Column("text_b"); text >= 0 && second >= 0 {
			return text, second, nil
		}
	}
	text, err = t.Need("--text-column", cmp.Or(f.columns.Text, "text"))
	return text, -1, err
}

// OpenInputs takes the inputs for texts; those of a pair are divided by a tab.
func (f *Texts) OpenInputs(ctx context.Context, texts []string, opt data.Options) (*data.Dataset, error) {
	examples, inputs := make([]data.Example, len(texts)), make([]input, len(texts))
	for i, s := range texts {
		examples[i], inputs[i] = data.Example{Path: s, Label: -1}, input{text: s}
		if a, b, ok := strings.Cut(s, "\t"); ok && f.pairs() {
			inputs[i] = input{a, &b}
		}
	}
	d, err := f.dataset(ctx, "", nil, examples, inputs, opt)
	if err == nil && d.Len() == 0 {
		err = errors.New("data: no text given")
		if len(d.Skipped) > 0 {
			err = fmt.Errorf("data: no text can be used: %w", d.Skipped[0].Err)
		}
	}
	return d, err
}

// pairs reports whether the model tells the texts of a pair apart.
func (f *Texts) pairs() bool {
	for _, r := range f.roles {
		if r == TokenType {
			return true
		}
	}
	return strings.Contains(f.columns.Text, ",")
}

// input is a text, or two.
type input struct {
	text string
	pair *string
}

var errEmpty = errors.New("the text is empty")

// dataset tokenizes in parallel.
func (f *Texts) dataset(ctx context.Context, root string, classes []string, examples []data.Example, inputs []input, opt data.Options) (*data.Dataset, error) {
	encoded := make([]tokenize.Encoding, len(inputs))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(max(1, opt.Workers), len(inputs)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(inputs) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if in := inputs[i]; strings.TrimSpace(in.text) != "" {
					encoded[i] = f.Tokenizer.Encode(in.text, in.pair, f.most)
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &texts{feed: f}
	var kept []data.Example
	var skipped []data.Skipped
	cut := 0
	for i, e := range encoded {
		if len(e.IDs) == 0 {
			skipped = append(skipped, data.Skipped{Path: examples[i].Path, Err: errEmpty})
			continue
		}
		if e.Lost > 0 {
			cut++
		}
		kept = append(kept, examples[i])
		s.rows = append(s.rows, textRow{narrow(e.IDs), narrow(e.Types)})
	}
	opt.Texts = true
	d := data.New(root, classes, kept, s, opt)
	d.Skipped = skipped
	if cut > 0 {
		d.Remarks = append(d.Remarks, fmt.Sprintf("%s: %d of %d texts are longer than the %d tokens that the model gets, and lose their end", cmp.Or(root, "input"), cut, len(kept), f.most))
	}
	return d, nil
}

// texts is the Source of texts.
type texts struct {
	feed *Texts
	rows []textRow
}

type textRow struct{ ids, types []int32 }

func narrow(v []int) []int32 {
	out := make([]int32, len(v))
	for i, x := range v {
		out[i] = int32(x)
	}
	return out
}

func (s *texts) Form() data.Form { return s.feed.form }

func (s *texts) Length(i int) int {
	if s.feed.form.Rows {
		return 1
	}
	return max(len(s.rows[i].ids), s.feed.least)
}

func (s *texts) Digest(i int) ([sha256.Size]byte, error) {
	h := sha256.New()
	for _, v := range [][]int32{s.rows[i].ids, s.rows[i].types} {
		binary.Write(h, binary.LittleEndian, int32(len(v))) //nolint:errcheck // a hash takes everything
		binary.Write(h, binary.LittleEndian, v)             //nolint:errcheck
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

func (s *texts) Read(i, _ int, dst []*tensor.Tensor) error {
	row := s.rows[i]
	for k, t := range dst {
		in := s.feed.form.Inputs[k]
		for j := range t.Len() {
			v, padding := int64(0), j >= len(row.ids)
			switch s.feed.roles[k] {
			case TokenIDs:
				if v = in.Pad; !padding {
					v = int64(row.ids[j])
				}
			case TokenMask:
				if !padding {
					v = 1
				}
			case TokenType:
				if !padding {
					v = int64(row.types[j])
				}
			case TokenPlace:
				if !padding {
					v = int64(j)
				}
			}
			if t.DType == tensor.Int32 {
				tensor.Data[int32](t)[j] = int32(v)
			} else {
				t.I64()[j] = v
			}
		}
	}
	return nil
}

// Mask is the name of the input that says which tokens are no padding, "" where the model has none.
func (f *Texts) Mask() string {
	for i, r := range f.roles {
		if r == TokenMask {
			return f.form.Inputs[i].Name
		}
	}
	return ""
}
