package feed

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/data/sound"
	"github.com/permafrost-ml/permafrost/internal/gzipped"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Sounds feeds a model with sounds. Each window of a sound is a row of the batch.
type Sounds struct {
	Files
	Pipeline *sound.Pipeline
	input    string
	// shape of a row in the input: Pipeline.RowShape, with axes of 1 where the model has them
	row   tensor.Shape
	front *FrontEnd // nil if features are computed without a model
	notes []string
}

// soundSettings are the settings for sounds in the record. They contain the complete front end, so
// that the tuned file needs no other file.
type soundSettings struct {
	Preprocess sound.Config `json:"preprocess"`
	FrontEnd   []byte       `json:"frontend_model,omitempty"` // its file, gzip
}

// soundFormats are the extensions of sounds.
var soundFormats = []string{".wav", ".wave", ".flac"}

// maxFrontEnd limits the size of a front end in a tuned file, in bytes.
const maxFrontEnd = 64 << 20

// soundConfig finds the preprocessor file for sounds: the one in the options, or else the one
// beside the model. It returns nil if that file is not about sounds.
func soundConfig(m *onnx.Model, o Options) (text []byte, path string, err error) {
	path = o.Preprocess
	if _, preset := picture.Preset(path); preset || path == "" && m.Path == "" {
		return nil, "", nil
	}
	if path == "" {
		if path = FindPreprocess(m.Path); path == "" {
			return nil, "", nil
		}
	}
	if text, err = os.ReadFile(path); err != nil && o.Preprocess == "" || errors.Is(err, os.ErrNotExist) {
		return nil, "", nil // the search for pictures reports the error
	}
	if err != nil || !sound.IsConfig(text) {
		return nil, "", err
	}
	return text, path, nil
}

// takesSounds reports whether a model takes sounds: if a preprocessor file says so, or if its only
// input can be a waveform, float32 [N,S].
func takesSounds(m *onnx.Model, o Options) (bool, error) {
	if text, _, err := soundConfig(m, o); text != nil || err != nil {
		return text != nil, err
	}
	return o.Preprocess == "" && isWaveform(m) && !(o.looks.is(KindVector) && m.Graph.Inputs[0].Type.Shape[1] > 0), nil
}

// assumed is the preparation for a model of samples, if no file gives one: samples at the rate of an
// input that is fixed at one, else at 16000 Hz; windows as long as the model's input or, if that may
// be any, of two seconds or the first usual length with which the model runs, each by half over the
// one before.
func assumed(m *onnx.Model, o Options) (text []byte, note string, err error) {
	rate := 16000
	for _, s := range o.Sides.Inputs {
		name, value, _ := strings.Cut(s, "=")
		if r, err := strconv.Atoi(value); err == nil && r >= 4000 && isRate(name) {
			rate = r
		}
	}
	window := 2 * rate
	switch s := m.Graph.Inputs[0].Type.Shape; {
	case len(s) == 2 && s[1] > 1:
		window = s[1]
	case len(s) == 2 && s[1] < 0:
		if window, err = usualWindow(m, rate); err != nil {
			return nil, "", err
		}
	}
	text, err = json.Marshal(sound.Config{SamplingRate: rate, Window: window, Hop: max(1, window/2)})
	seconds := func(n int) float64 { return float64(n) / float64(rate) }
	return text, fmt.Sprintf("no preprocessor file beside the model: assuming samples at %d Hz in windows of %.3g s every %.3g s (option preprocess names one)",
		rate, seconds(window), seconds(window/2)), err
}

// usualWindow is the first usual number of samples with which a model runs.
func usualWindow(m *onnx.Model, rate int) (int, error) {
	in := m.Graph.Inputs[0]
	var first error
	for _, n := range []int{2 * rate, rate, rate / 2, 8192, 4096, 2048, 1536, 1024, 768, 512, 480, 400, 320, 256} {
		_, err := compile.Model(m.Graph, compile.Options{Shapes: map[string]tensor.Shape{in.Name: {2, n}}, Plain: true})
		if err == nil {
			return n, nil
		}
		first = cmp.Or(first, err)
	}
	return 0, option.Errorf("shape", "the model's input %q takes samples, and of no usual number: say how many, as in option shape %s=1,512, or name a file with option preprocess; with %d: %w", in.Name, in.Name, 2*rate, first)
}

// isRate reports whether an input's name says that it is a sampling rate.
func isRate(name string) bool {
	name = strings.ToLower(name)
	return name == "sr" || name == "fs" || strings.Contains(name, "rate")
}

// newSounds makes the Feed from a tuned file's settings, from a preprocessor file, or from
// assumptions.
func newSounds(m *onnx.Model, o Options) (Feed, error) {
	if len(m.Graph.Inputs) != 1 {
		return nil, fmt.Errorf("the model has %d inputs; sounds need a model with one", len(m.Graph.Inputs))
	}
	f := &Sounds{}
	f.Files = NewFiles(KindSound, f.media)
	var set soundSettings
	var text []byte
	var path string
	var err error
	if o.Settings == nil {
		if text, path, err = soundConfig(m, o); err != nil {
			return nil, err
		}
	}
	switch {
	case o.Settings != nil && text == nil:
		if err := json.Unmarshal(o.Settings, &set); err != nil {
			return nil, fmt.Errorf("%s: %w", KeySettings, err)
		}
		if text, err = json.Marshal(set.Preprocess); err != nil {
			return nil, err
		}
		path = KeySettings
	case text == nil:
		var note string
		if text, note, err = assumed(m, o); err != nil {
			return nil, err
		}
		path, f.notes = "assumed", append(f.notes, note)
	}
	c, err := sound.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("preprocess %s: %w", path, err)
	}
	if c.Frontend != "" {
		if f.front, err = openFrontEnd(set.FrontEnd, filepath.Join(filepath.Dir(path), c.Frontend)); err != nil {
			return nil, fmt.Errorf("preprocess %s: frontend %s: %w", path, c.Frontend, err)
		}
	}
	in := m.Graph.Inputs[0]
	if in.Type.DType != tensor.Float32 || len(in.Type.Shape) < 2 {
		return nil, fmt.Errorf("the model's input %q is %v; sounds need float32 with a batch axis", in.Name, in.Type)
	}
	model := sound.Model(nil)
	if f.front != nil {
		model = f.front
	}
	if c.Window == 0 { // the model's fixed input size is the window
		if n := windowOf(c, model, in.Type.Shape[1:]); n > 0 {
			c.Window, c.Hop = n, n
		}
	}
	if f.Pipeline, err = c.For(model); err != nil {
		return nil, err
	}
	row := f.Pipeline.RowShape()
	if row[0] < 0 {
		return nil, fmt.Errorf("preprocess %s: window is missing, and the model's input %q takes any number: say how many %s are a window", path, in.Name, unit(c))
	}
	f.input = in.Name
	if f.row = fit(row, in.Type.Shape[1:]); f.row == nil {
		return nil, fmt.Errorf("preprocess %s makes rows of %v, and the model's input %q takes %v", path, row, in.Name, in.Type.Shape)
	}
	return f, nil
}

func unit(c sound.Config) string {
	if c.Frontend != "" {
		return "frames of " + c.Frontend
	}
	return "samples"
}

// openFrontEnd reads a front end from a tuned file's record, or from its own file.
func openFrontEnd(embedded []byte, path string) (*FrontEnd, error) {
	if embedded == nil {
		m, err := onnx.Open(path)
		if err != nil {
			return nil, err
		}
		return NewFrontEnd(m)
	}
	if gzipped.Is(embedded) {
		var err error
		if embedded, err = gzipped.Unpack(embedded, maxFrontEnd); err != nil {
			return nil, err
		}
	}
	m, err := onnx.Parse(embedded, "")
	if err != nil {
		return nil, err
	}
	return NewFrontEnd(m)
}

// windowOf returns the number of frames or samples in a model's row. It is 0 if the model leaves it
// open, or if the preparation determines its own rows.
func windowOf(c sound.Config, front sound.Model, row tensor.Shape) int {
	if c.Type == sound.Whisper || c.Type == sound.AST {
		return 0
	}
	n := 1
	for _, d := range row {
		if d < 0 {
			return 0
		}
		n *= d
	}
	if front != nil {
		return n / front.Bins()
	}
	return n
}

// fit gives a row the axes of a model's input, which may have additional axes of 1 and leave others
// open. It returns nil if the row does not fit.
func fit(row []int, in tensor.Shape) tensor.Shape {
	out := slices.Clone(in)
	row = slices.DeleteFunc(slices.Clone(row), func(d int) bool { return d == 1 })
	for i, d := range in {
		switch {
		case len(row) > 0 && (d == row[0] || d < 0):
			out[i], row = row[0], row[1:]
		case d == 1 || d < 0:
			out[i] = 1
		default:
			return nil
		}
	}
	if len(row) > 0 {
		return nil
	}
	return out
}

func (f *Sounds) Notes() []string           { return f.notes }
func (f *Sounds) Digest() [sha256.Size]byte { return f.Pipeline.Digest() }

func (f *Sounds) Settings() (json.RawMessage, error) {
	s := soundSettings{Preprocess: f.Pipeline.Config}
	if f.front != nil {
		file := f.front.Source()
		if len(file) > maxFrontEnd {
			return nil, fmt.Errorf("the front end %s has %d bytes; a tuned file carries up to %d", s.Preprocess.Frontend, len(file), maxFrontEnd)
		}
		s.FrontEnd = gzipped.Pack(file)
	}
	return json.Marshal(s)
}

// Form says how sounds are laid out in the model's input: each window is a row.
func (f *Sounds) Form() data.Form {
	form := data.Form{Inputs: []data.Input{{Name: f.input, DType: tensor.Float32, Shape: f.row}}, Rows: true, Most: 1}
	if f.Pipeline.Config.Window > 0 {
		form.Most = mostWindows
	}
	return form
}

func (f *Sounds) Keeps() (what, form string) { return "sounds", "float32" }

func (f *Sounds) media(augment string) (*data.Media, error) {
	a, err := sound.ParseAugment(augment)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return &data.Media{One: "sound", Many: "sounds", Formats: "wav or flac", Extensions: soundFormats,
		Source: func(s data.Setting) data.Source { return newSoundFiles(f, a, s) }}, nil
}
