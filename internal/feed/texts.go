package feed

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/gzipped"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tokenize"
)

// Texts feeds a model with texts or pairs of texts. Each token is a step.
type Texts struct {
	Tokenizer *tokenize.Tokenizer
	file      []byte // the tokenizer's file
	form      data.Form
	roles     []Role // of the inputs
	most      int    // maximum number of tokens of a text, with special ones
	least     int    // minimum likewise; shorter texts are padded to it
	multiple  int    // lengths are rounded up to a multiple of it, if the model sees the padding; 0: not
	rows      int    // of the model's table of tokens; 0 if unknown
	columns   data.Columns
	sides     sides
	config    tokenizerConfig
	notes     []string
}

// Role is what the input at a place of Form().Inputs takes.
func (t *Texts) Role(i int) Role { return t.roles[i] }

// textSettings are the settings for texts in the record. They contain the complete tokenizer, so
// that the tuned file needs no other file.
type textSettings struct {
	Tokenizer []byte       `json:"tokenizer"` // tokenizer.json, gzip
	Digest    string       `json:"tokenizer_sha256"`
	MaxLength int          `json:"max_length"`
	Columns   data.Columns `json:"columns,omitzero"`
	Sides     sides        `json:"sides,omitzero"`
}

func newTexts(m *onnx.Model, o Options) (Feed, error) {
	f := &Texts{columns: data.Columns{Text: o.Table.Text, Label: o.Table.Label}, most: o.Text.MaxLength}
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
	roles, length, note, err := tokenInputs(m)
	if err != nil {
		return nil, err
	}
	if f.roles = roles; note != "" {
		f.notes = append(f.notes, note)
	}
	if err := f.readTokenizer(m, o, set); err != nil {
		return nil, err
	}
	if err := f.fits(m); err != nil {
		return nil, err
	}
	length = f.padded(length)
	switch {
	case length >= 0 && f.most > length:
		return nil, option.Errorf("max_length", "the model takes texts of %d tokens, not %d", length, f.most)
	case length >= 0:
		f.most = length
	case f.most == 0:
		f.most = mostTokens(m, f, f.declared())
	}
	if f.form, err = f.formOf(m, length >= 0); err != nil {
		return nil, err
	}
	if f.form.Exact {
		f.least = leastTokens(m, f.most)
	}
	return f, nil
}

// formOf says that each text is one row if the model takes a fixed number of tokens. Without a
// mask, the model would read padding as part of the text, and padding in front would move the text.
// In both cases only texts of equal length share a batch. It errors on padding that the model sees
// and has no row for.
func (f *Texts) formOf(m *onnx.Model, fixed bool) (data.Form, error) {
	pad, masked := f.Tokenizer.Padding, slices.Contains(f.roles, TokenMask)
	form := data.Form{Most: f.most, Exact: !fixed && (!masked || pad.Left)}
	shape := tensor.Shape{}
	if fixed {
		form.Rows, form.Most, shape = true, 1, tensor.Shape{f.most}
	}
	if f.rows > 0 && pad.ID >= f.rows {
		if fixed && !masked {
			return form, fmt.Errorf("the tokenizer pads with %q, id %d, and the model's table has %d rows and no mask hides it: name the right tokenizer with option tokenizer", f.Tokenizer.Token(pad.ID), pad.ID, f.rows)
		}
		f.notes = append(f.notes, fmt.Sprintf("the tokenizer pads with %q, id %d, for which the model has no row: padding is id 0, which it does not see", f.Tokenizer.Token(pad.ID), pad.ID))
		pad.ID = 0
	}
	for i, in := range m.Graph.Inputs {
		input := data.Input{Name: in.Name, DType: in.Type.DType, Shape: shape}
		switch f.roles[i] {
		case TokenIDs:
			input.Pad = int64(pad.ID)
		case TokenType:
			input.Pad = int64(pad.Type)
		}
		form.Inputs = append(form.Inputs, input)
	}
	return form, nil
}

func (*Texts) Kind() string      { return KindText }
func (f *Texts) Form() data.Form { return f.form }
func (f *Texts) Notes() []string { return f.notes }

// MaxLength returns the maximum number of tokens of a text, with special ones.
func (f *Texts) MaxLength() int { return f.most }

// Digest identifies the inputs and their order. The tokens of a text are part of the text's own
// digest.
func (f *Texts) Digest() [sha256.Size]byte {
	b := fmt.Appendf(nil, "texts/1 %v %v", f.roles, f.form)
	if f.Tokenizer.Padding.Left || f.multiple > 1 {
		b = fmt.Appendf(b, " left %v multiple %d", f.Tokenizer.Padding.Left, f.multiple)
	}
	return sha256.Sum256(b)
}

func (f *Texts) Settings() (json.RawMessage, error) {
	return json.Marshal(textSettings{gzipped.Pack(f.file), fmt.Sprintf("%x", sha256.Sum256(f.file)), f.most, f.columns, f.sides})
}

// Mask returns the name of the input that marks which tokens are not padding, "" if the model has
// none.
func (f *Texts) Mask() string {
	for i, r := range f.roles {
		if r == TokenMask {
			return f.form.Inputs[i].Name
		}
	}
	return ""
}

// TextOptions are options that apply only to texts.
type TextOptions struct {
	Tokenizer string // a file; "" for the one beside the model
	MaxLength int    // maximum number of tokens of a text; 0 for the model's limit
}

// unused errors if an option is set but the model takes another kind of data.
func (o TextOptions) unused(kind string) error {
	if o.Tokenizer != "" {
		return fmt.Errorf("option tokenizer %s: the model takes %ss, and no texts", o.Tokenizer, kind)
	}
	if o.MaxLength != 0 {
		return fmt.Errorf("option max_length %d: the model takes %ss, and no texts", o.MaxLength, kind)
	}
	return nil
}

func (f *Texts) Keeps() (what, form string) { return "", "" }

// textMedia provides the words for texts in messages.
var textMedia = &data.Media{One: "text", Many: "texts", Formats: "csv, tsv or jsonl", Extensions: data.TableFormats, Fault: "empty"}
