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

// textSettings are what the record says of texts. The tokenizer is in it whole, so that the tuned
// file needs no other.
type textSettings struct {
	Tokenizer []byte       `json:"tokenizer"` // tokenizer.json, gzip
	Digest    string       `json:"tokenizer_sha256"`
	MaxLength int          `json:"max_length"`
	Columns   data.Columns `json:"columns,omitzero"`
}

func newTexts(m *onnx.Model, o Options) (Feed, error) {
	f := &Texts{columns: o.Table, most: o.Text.MaxLength}
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
	switch {
	case length >= 0 && f.most > length:
		return nil, option.Errorf("max_length", "the model takes texts of %d tokens, not %d", length, f.most)
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

// formOf is one row a text where the model takes a fixed number of tokens. Without a mask padding
// would be read as a part of the text, so that only texts of the same length go together.
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

// Mask is the name of the input that says which tokens are no padding, "" where the model has none.
func (f *Texts) Mask() string {
	for i, r := range f.roles {
		if r == TokenMask {
			return f.form.Inputs[i].Name
		}
	}
	return ""
}

// TextOptions are the options of texts alone.
type TextOptions struct {
	Tokenizer string // a file; "" for the one beside the model
	MaxLength int    // tokens of a text at most; 0 for what the model takes
}

// unused errors where an option is given for a model of another kind.
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

// textMedia names texts in messages.
var textMedia = &data.Media{One: "text", Many: "texts", Formats: "csv, tsv or jsonl", Extensions: data.TableFormats, Fault: "empty"}
