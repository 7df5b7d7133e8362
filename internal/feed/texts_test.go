package feed

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// textsWith is the Feed of the tiny text model with a tokenizer and a tokenizer_config.json that
// have been changed. The model is changed too: input shapes are [N,length], and there is no mask
// where masked is false.
func textsWith(t *testing.T, length int, masked bool, change func(tokenizer map[string]any), config string) (*Texts, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	if err := fixture.WriteTextModel(path, true, 1); err != nil {
		t.Fatal(err)
	}
	tok := fixture.Tokenizer()
	if change != nil {
		change(tok)
	}
	b, err := json.Marshal(tok)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"m.tokenizer.json": string(b), "tokenizer_config.json": config} {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range m.Graph.Inputs {
		in.Type.Shape[1] = length
	}
	if !masked {
		for i, in := range m.Graph.Inputs {
			if r, _ := roleNamed(in.Name); r == TokenMask {
				m.Graph.Inputs = append(m.Graph.Inputs[:i:i], m.Graph.Inputs[i+1:]...)
				break
			}
		}
	}
	f, err := newTexts(m, Options{})
	if err != nil {
		return nil, err
	}
	return f.(*Texts), nil
}

// fed is what the inputs are given for one text, by role: ids, mask, types, places.
func fed(t *testing.T, f *Texts, text string) map[Role]string {
	t.Helper()
	ds, err := f.OpenInputs(context.Background(), Inputs(KindText, []string{text}), data.Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	out := map[Role]string{}
	for b, err := range ds.Loader(1).Batches(context.Background(), data.FileOrder(1), data.Plain) {
		if err != nil {
			t.Fatal(err)
		}
		for i, in := range b.Inputs {
			out[f.roles[i]] = strings.Trim(fmt.Sprint(in.Float64s()), "[]")
		}
	}
	return out
}

// Where the padding lies, and what it is, as tokenizer.json or tokenizer_config.json say.
func TestPaddingSides(t *testing.T) {
	padding := func(p map[string]any) func(map[string]any) { return func(tok map[string]any) { tok["padding"] = p } }
	left := padding(map[string]any{"strategy": "BatchLongest", "direction": "Left", "pad_id": 1, "pad_type_id": 1})
	for name, c := range map[string]struct {
		length int
		masked bool
		change func(map[string]any)
		config string
		want   map[Role]string
		exact  bool
	}{
		"behind, as usual":           {6, true, nil, "", map[Role]string{TokenIDs: "2 4 5 3 0 0", TokenMask: "1 1 1 1 0 0", TokenType: "0 0 0 0 0 0", TokenPlace: "0 1 2 3 0 0"}, false},
		"in front":                   {6, true, left, "", map[Role]string{TokenIDs: "1 1 2 4 5 3", TokenMask: "0 0 1 1 1 1", TokenType: "1 1 0 0 0 0", TokenPlace: "0 0 0 1 2 3"}, false},
		"in front, by the config":    {6, true, nil, `{"padding_side": "left"}`, map[Role]string{TokenIDs: "0 0 2 4 5 3"}, false},
		"the config rules":           {6, true, left, `{"padding_side": "right"}`, map[Role]string{TokenIDs: "2 4 5 3 1 1"}, false},
		"in front, any length":       {-1, true, left, "", map[Role]string{TokenIDs: "2 4 5 3", TokenMask: "1 1 1 1"}, true},
		"no mask":                    {-1, false, nil, "", map[Role]string{TokenIDs: "2 4 5 3"}, true},
		"no mask, a fixed length":    {-1, false, padding(map[string]any{"strategy": map[string]any{"Fixed": 7}, "pad_id": 0}), "", map[Role]string{TokenIDs: "2 4 5 3 0 0 0"}, false},
		"no mask, a multiple":        {-1, false, padding(map[string]any{"pad_to_multiple_of": 3, "pad_id": 0}), "", map[Role]string{TokenIDs: "2 4 5 3 0 0"}, true},
		"no mask, multiple in front": {-1, false, padding(map[string]any{"pad_to_multiple_of": 3, "direction": "Left"}), "", map[Role]string{TokenIDs: "0 0 2 4 5 3"}, true},
		"beginning lost":             {4, true, func(tok map[string]any) { tok["truncation"] = map[string]any{"direction": "Left", "max_length": 4} }, "", map[Role]string{TokenIDs: "2 4 5 3"}, false},
		"beginning lost, by config":  {3, true, nil, `{"truncation_side": "left"}`, map[Role]string{TokenIDs: "2 5 3"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := textsWith(t, c.length, c.masked, c.change, c.config)
			if err != nil {
				t.Fatal(err)
			}
			got := fed(t, f, "the a")
			for role, want := range c.want {
				if got[role] != want {
					t.Errorf("role %d is fed %s, want %s", role, got[role], want)
				}
			}
			if f.form.Exact != c.exact {
				t.Errorf("exact %v", f.form.Exact)
			}
			settings, err := f.Settings()
			if err != nil {
				t.Fatal(err)
			}
			again, err := newTexts(sameInputs(t, f, c.length), Options{Kind: KindText, Settings: settings})
			if err != nil {
				t.Fatal(err)
			}
			if back := fed(t, again.(*Texts), "the a"); back[TokenIDs] != got[TokenIDs] {
				t.Errorf("a tuned file is fed %s, the fit %s", back[TokenIDs], got[TokenIDs])
			}
			if back := fed(t, besideAgain(t, sameInputs(t, f, c.length), f).(*Texts), "the a"); !maps.Equal(back, got) {
				t.Errorf("the files beside a tuned file feed %v, the fit %v", back, got)
			}
		})
	}
	if _, err := textsWith(t, 6, true, nil, `{"padding_side": "both"}`); err == nil || !strings.Contains(err.Error(), `padding_side "both"`) {
		t.Errorf("error %v", err)
	}
}

// sameInputs is a model with the inputs that f feeds.
func sameInputs(t *testing.T, f *Texts, length int) *onnx.Model {
	t.Helper()
	g := fixture.TextGraph(true, 1)
	kept := g.Inputs[:0:0]
	for _, in := range g.Inputs {
		for _, fed := range f.form.Inputs {
			if fed.Name == in.Name {
				in.Type.Shape[1] = length
				kept = append(kept, in)
			}
		}
	}
	g.Inputs = kept
	return &onnx.Model{Graph: g}
}

// A padding token that was added behind the vocabulary has no row in the model's table: where the
// model does not see it, it is another one, and a text with it is left out.
func TestPaddingPastVocabulary(t *testing.T) {
	past := func(tok map[string]any) {
		tok["added_tokens"] = append(tok["added_tokens"].([]map[string]any), map[string]any{"id": 4 + len(fixture.Words), "content": "<more_pad>", "special": true})
		tok["padding"] = map[string]any{"pad_id": 4 + len(fixture.Words)}
	}
	f, err := textsWith(t, 6, true, past, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := fed(t, f, "the a")[TokenIDs]; got != "2 4 5 3 0 0" {
		t.Errorf("fed %s", got)
	}
	if notes := strings.Join(f.Notes(), "\n"); !strings.Contains(notes, `pads with "<more_pad>"`) {
		t.Errorf("notes %q", notes)
	}
	_, err = f.OpenInputs(context.Background(), Inputs(KindText, []string{"the <more_pad>"}), data.Options{Workers: 1})
	if err == nil || !strings.Contains(err.Error(), `the token "<more_pad>"`) {
		t.Errorf("error %v", err)
	}
	if _, err := textsWith(t, 6, false, past, ""); err == nil || !strings.Contains(err.Error(), "no mask hides it") {
		t.Errorf("error %v", err)
	}
}
