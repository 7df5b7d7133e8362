package sound

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// Model is a front end that is a neural network.
type Model interface {
	// Features computes frames of Bins values, row-major, from samples. It is safe for concurrent
	// use.
	Features(samples []float32) (values []float32, frames int, err error)
	Bins() int
	Digest() [sha256.Size]byte // of its file
}

// Pipeline turns sounds into rows of a model's input. It is safe for concurrent use.
type Pipeline struct {
	Config Config
	limit  time.Duration
	model  Model
	front  frontEnd // nil if the front end is a model or the samples themselves
}

// For makes the Pipeline of a Config from Parse. model is the one that the key frontend names, nil
// if it names none.
func (c Config) For(model Model) (*Pipeline, error) {
	if (c.Frontend != "") != (model != nil) {
		return nil, fmt.Errorf("frontend %q: the model is missing or not asked for", c.Frontend)
	}
	p := &Pipeline{Config: c, limit: time.Duration(c.MaxSeconds * float64(time.Second)), model: model}
	switch c.Type {
	case Whisper:
		p.front = newWhisper(&c)
	case AST:
		p.front = newAST(&c)
	}
	return p, nil
}

// Digest identifies the preparation.
func (p *Pipeline) Digest() [sha256.Size]byte {
	h := sha256.New()
	b, err := json.Marshal(p.Config)
	if err != nil {
		panic(err) // cannot happen: Parse has checked the numbers and strings
	}
	h.Write(b)
	if p.model != nil {
		d := p.model.Digest()
		h.Write(d[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// RowShape returns the shape of a row. Its first axis is -1 if it depends on the length of the
// sound.
func (p *Pipeline) RowShape() []int {
	long := p.Config.Window
	if long == 0 {
		long = -1
	}
	switch {
	case p.front != nil:
		return p.front.shape()
	case p.model != nil:
		return []int{long, p.model.Bins()}
	}
	return []int{long}
}

// Load decodes a file and resamples it to Config.SamplingRate.
func (p *Pipeline) Load(r io.Reader) ([]float32, error) {
	c, err := Decode(r, p.limit)
	if err != nil {
		return nil, err
	}
	return Resample(c.Samples, c.Rate, p.Config.SamplingRate), nil
}

// Rows are a model's inputs for one sound. Overlapping windows share their values.
type Rows struct {
	Values []float32 // the rows are views of these, see Pipeline.Rows
	Count  int       // at least 1
	Shape  []int     // of one row
	stride int       // offset from one row to the next
}

// Row returns the k-th row.
func (r Rows) Row(k int) []float32 {
	n := 1
	for _, d := range r.Shape {
		n *= d
	}
	return r.Values[k*r.stride:][:n]
}

// Rows restores rows from saved Values. It errors on values that Prepare did not make.
func (p *Pipeline) Rows(values []float32) (Rows, error) {
	shape := p.RowShape()
	width := 1
	for _, d := range shape[1:] {
		width *= d
	}
	frames := len(values) / width
	if least := max(1, shape[0]); len(values) != frames*width || frames < least || p.front != nil && frames != least {
		return Rows{}, fmt.Errorf("%d values are no rows of %v", len(values), shape)
	}
	r := Rows{Values: values, Count: 1, Shape: shape}
	switch {
	case shape[0] < 0:
		shape[0] = frames
	case p.Config.Window > 0:
		r.Count, r.stride = 1+(frames-shape[0])/p.Config.Hop, p.Config.Hop*width
	}
	return r, nil
}

// Prepare turns samples from Load into rows. Windows start at the first sample and follow every hop
// as long as they are complete. The sound is augmented by a with the numbers of rng, or not
// augmented if a is nil. samples is not changed.
func (p *Pipeline) Prepare(samples []float32, a *Augment, rng *rand.Rand) (Rows, error) {
	x := p.pad(samples)
	if a != nil {
		a.apply(x, p.padding(0), len(samples), p.Config.SamplingRate, rng)
	}
	switch {
	case p.front != nil:
		return p.Rows(p.front.row(x))
	case p.model == nil:
		if *p.Config.DoNormalize {
			x = normalize(x)
		}
		if n, hop := p.Config.Window, p.Config.Hop; n > 0 { // silence fills the last window
			x = append(x, make([]float32, max(n-len(x), 0)+(hop-max(len(x)-n, 0)%hop)%hop)...)
		}
		return p.Rows(x)
	}
	values, err := p.features(x)
	if err != nil {
		return Rows{}, err
	}
	return p.Rows(values)
}

// padding returns the silence before (side 0) or after (side 1) a sound, in samples.
func (p *Pipeline) padding(side int) int {
	if p.Config.PadSeconds == nil {
		return 0
	}
	return int(p.Config.PadSeconds[side]*float64(p.Config.SamplingRate) + 0.5)
}

func (p *Pipeline) pad(samples []float32) []float32 {
	before := p.padding(0)
	x := make([]float32, before+len(samples)+p.padding(1))
	copy(x[before:], samples)
	return x
}

// features runs the model. If a sound is too short for a window or for the model, it is padded with
// silence.
func (p *Pipeline) features(x []float32) ([]float32, error) {
	if s := p.Config.SampleScale; s != nil {
		for i := range x {
			x[i] *= float32(*s)
		}
	}
	need := max(1, p.Config.Window)
	values, frames, err := p.model.Features(x)
	given := len(x)
	for len(x) < enough && (err != nil && len(x) < p.Config.SamplingRate || err == nil && frames < need) {
		x = append(x, make([]float32, max(len(x), 1))...)
		values, frames, err = p.model.Features(x)
	}
	switch {
	case err != nil:
	case frames < need:
		err = fmt.Errorf("%d frames of %d samples make no window of %d", frames, len(x), need)
	case len(values) != frames*p.model.Bins():
		err = fmt.Errorf("%d values are not %d frames of %d", len(values), frames, p.model.Bins())
	}
	if err != nil {
		return nil, fmt.Errorf("frontend %s: %w", p.Config.Frontend, err)
	}
	if len(x) > given && p.Config.Window > 0 { // drop windows that contain only the added silence
		values = values[:need*p.model.Bins()]
	}
	scale, shift := float32(orElse(p.Config.FeatureScale, 1)), float32(p.Config.FeatureShift)
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = v*scale + shift
	}
	return out, nil
}

// enough limits the silence that is added to fill a window, in samples.
const enough = 1 << 22
