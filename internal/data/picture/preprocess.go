package picture

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
)

// Preprocess says how a picture becomes a model's input. Its JSON form is the part of Hugging
// Face's preprocessor_config.json that concerns pictures. It survives a round trip. The steps, in
// order: resize, centre crop, rescale, normalize.
type Preprocess struct {
	DoResize     bool    `json:"do_resize"`
	Size         *Size   `json:"size,omitempty"` // nil: the model's input
	Resample     Filter  `json:"resample"`
	DoCenterCrop bool    `json:"do_center_crop"`
	CropSize     *Size   `json:"crop_size,omitempty"` // nil: the model's input
	DoRescale    bool    `json:"do_rescale"`
	Factor       float64 `json:"rescale_factor"` // factor on the samples 0..255
	DoNormalize  bool    `json:"do_normalize"`
	// subtracted after rescaling, one value per channel or one for all
	Mean PerChannel `json:"image_mean,omitempty"`
	Std  PerChannel `json:"image_std,omitempty"` // divisor after that
}

// Size is a size in pixels: height and width, or an edge that determines both by keeping the aspect
// ratio.
type Size struct {
	Height       int `json:"height,omitempty"`
	Width        int `json:"width,omitempty"`
	ShortestEdge int `json:"shortest_edge,omitempty"` // of the resized picture
	// of the resized picture; with ShortestEdge it is an upper limit
	LongestEdge int `json:"longest_edge,omitempty"`
}

// Square returns a size of n by n pixels.
func Square(n int) *Size { return &Size{Height: n, Width: n} }

// maxSide limits the sides that a preprocessor file may ask for.
const maxSide = 1 << 14

func (s *Size) check() error {
	for _, n := range []int{s.Height, s.Width, s.ShortestEdge, s.LongestEdge} {
		if n < 0 || n > maxSide {
			return fmt.Errorf("%d is not from 1 to %d pixels", n, maxSide)
		}
	}
	sides, edges := s.Height > 0 && s.Width > 0, s.ShortestEdge > 0 || s.LongestEdge > 0
	if s.Height > 0 != (s.Width > 0) || sides == edges {
		return errors.New(`give an integer, {"height","width"}, or {"shortest_edge"} or {"longest_edge"}`)
	}
	return nil
}

// of returns the size to which a picture of w by h pixels is resized.
func (s *Size) of(w, h int) (int, int) {
	if s.Height > 0 {
		return s.Width, s.Height
	}
	short, long := min(w, h), max(w, h)
	// The longer side is rounded down, as in torchvision and Hugging Face's
	// get_resize_output_image_size.
	newShort, newLong := s.ShortestEdge, int(float64(s.ShortestEdge)*float64(long)/float64(short))
	if s.ShortestEdge == 0 || s.LongestEdge > 0 && newLong > s.LongestEdge {
		newShort, newLong = max(1, int(float64(s.LongestEdge)*float64(short)/float64(long))), s.LongestEdge
	}
	if w <= h {
		return newShort, newLong
	}
	return newLong, newShort
}

// PerChannel is one number for each channel, or a single one for all. In JSON a bare number is
// accepted too.
type PerChannel []float64

// UnmarshalJSON reads a list of numbers or one number.
func (p *PerChannel) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] != '[' && b[0] != 'n' {
		*p = PerChannel{0}
		return json.Unmarshal(b, &(*p)[0])
	}
	return json.Unmarshal(b, (*[]float64)(p))
}

func (p PerChannel) at(c int) float64 {
	if len(p) == 1 {
		return p[0]
	}
	return p[c]
}

// presets are the presets by name. Sizes come from the model's input.
var presets = map[string]Preprocess{
	"imagenet": {DoResize: true, Resample: Bilinear, DoCenterCrop: true, DoRescale: true, Factor: 1. / 255,
		DoNormalize: true, Mean: PerChannel{0.485, 0.456, 0.406}, Std: PerChannel{0.229, 0.224, 0.225}},
	"inception": {DoResize: true, Resample: Bilinear, DoCenterCrop: true, DoRescale: true, Factor: 1. / 255,
		DoNormalize: true, Mean: PerChannel{0.5}, Std: PerChannel{0.5}},
	"unit": {DoResize: true, Resample: Bilinear, DoRescale: true, Factor: 1. / 255},
	"raw":  {DoResize: true, Resample: Bilinear},
}

// PresetNames lists the presets: imagenet (ImageNet's mean and standard deviation), inception
// (x/127.5-1), unit (x/255), raw (0..255). The first two resize to 8/7 of the model's input and
// crop the centre. The others stretch the whole picture to the model's input.
func PresetNames() []string { return []string{"imagenet", "inception", "unit", "raw"} }

// Preset returns the preset with a name.
func Preset(name string) (Preprocess, bool) {
	p, ok := presets[name]
	return p, ok
}

// LoadPreprocess returns the preset with the given name, or else reads a preprocessor file.
func LoadPreprocess(nameOrFile string) (Preprocess, error) {
	if p, ok := Preset(nameOrFile); ok {
		return p, nil
	}
	b, err := os.ReadFile(nameOrFile)
	if errors.Is(err, os.ErrNotExist) {
		return Preprocess{}, fmt.Errorf("data: preprocess %q is neither a file nor one of %s", nameOrFile, strings.Join(PresetNames(), ", "))
	}
	if err != nil {
		return Preprocess{}, fmt.Errorf("data: preprocess: %w", err)
	}
	p, err := ParsePreprocess(b)
	if err != nil {
		return Preprocess{}, fmt.Errorf("data: preprocess %s: %w", nameOrFile, err)
	}
	return p, nil
}

// ParsePreprocess reads a preprocessor_config.json for pictures. Missing keys have their usual
// meaning: a step applies if a value is given for it, samples are rescaled by 1/255 and resampling
// is bilinear. A size that is a single integer is the shortest edge if a crop follows, else both
// sides. Unknown keys are ignored.
func ParsePreprocess(b []byte) (Preprocess, error) {
	var f struct {
		DoResize     *bool           `json:"do_resize"`
		Size         json.RawMessage `json:"size"`
		Resample     *Filter         `json:"resample"`
		DoCenterCrop *bool           `json:"do_center_crop"`
		CropSize     json.RawMessage `json:"crop_size"`
		CropPct      float64         `json:"crop_pct"`
		DoRescale    *bool           `json:"do_rescale"`
		Factor       *float64        `json:"rescale_factor"`
		DoNormalize  *bool           `json:"do_normalize"`
		Mean         PerChannel      `json:"image_mean"`
		Std          PerChannel      `json:"image_std"`
		SamplingRate any             `json:"sampling_rate"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return Preprocess{}, fmt.Errorf("not a preprocessor file: %w", err)
	}
	if f.SamplingRate != nil {
		return Preprocess{}, errors.New("sampling_rate is given: this preprocessor is for sound, not for pictures")
	}
	given := func(b json.RawMessage) bool { return len(b) > 0 && string(b) != "null" }
	or := func(p *bool, d bool) bool {
		if p == nil {
			return d
		}
		return *p
	}
	p := Preprocess{
		DoResize:     or(f.DoResize, given(f.Size)),
		Resample:     Bilinear,
		DoCenterCrop: or(f.DoCenterCrop, given(f.CropSize)),
		DoRescale:    or(f.DoRescale, true),
		Factor:       1. / 255,
		DoNormalize:  or(f.DoNormalize, len(f.Mean) > 0),
		Mean:         f.Mean,
		Std:          f.Std,
	}
	if f.Resample != nil {
		p.Resample = *f.Resample
	}
	if f.Factor != nil {
		p.Factor = *f.Factor
	}
	var err error
	if p.Size, err = parseSize(f.Size, p.DoCenterCrop || f.CropPct != 0); err != nil {
		return Preprocess{}, fmt.Errorf("size: %w", err)
	}
	if p.CropSize, err = parseSize(f.CropSize, false); err != nil {
		return Preprocess{}, fmt.Errorf("crop_size: %w", err)
	}
	// ConvNeXt: the size is that of the crop, and below 384 the picture is resized to size/crop_pct
	// first.
	if s := p.Size; f.CropPct != 0 && s != nil && s.ShortestEdge > 0 && p.CropSize == nil {
		if f.CropPct < 0.05 || f.CropPct > 1 {
			return Preprocess{}, fmt.Errorf("crop_pct %g is not from 0.05 to 1", f.CropPct)
		}
		if s.ShortestEdge >= 384 {
			p.Size = Square(s.ShortestEdge)
		} else {
			p.DoCenterCrop, p.CropSize = true, Square(s.ShortestEdge)
			p.Size = &Size{ShortestEdge: int(float64(s.ShortestEdge) / f.CropPct)}
		}
	}
	return p, p.check()
}

func parseSize(b json.RawMessage, edge bool) (*Size, error) {
	if len(b) == 0 || string(b) == "null" {
		return nil, nil
	}
	var s Size
	var n int
	var pair []int
	switch {
	case json.Unmarshal(b, &n) == nil && edge:
		s.ShortestEdge = n
	case json.Unmarshal(b, &n) == nil:
		s.Height, s.Width = n, n
	case json.Unmarshal(b, &pair) == nil && len(pair) == 2: // [width, height], in Pillow's order
		s.Width, s.Height = pair[0], pair[1]
	default:
		if err := json.Unmarshal(b, &s); err != nil {
			return nil, err
		}
	}
	return &s, s.check()
}

func (p Preprocess) check() error {
	for _, s := range []struct {
		key string
		*Size
	}{{"size", p.Size}, {"crop_size", p.CropSize}} {
		if s.Size != nil {
			if err := s.check(); err != nil {
				return fmt.Errorf("%s: %w", s.key, err)
			}
		}
	}
	switch {
	case !p.Resample.valid():
		return fmt.Errorf("resample %d is not from 0 to 5 (nearest, lanczos, bilinear, bicubic, box, hamming)", int(p.Resample))
	case p.CropSize != nil && p.CropSize.Height == 0:
		return errors.New(`crop_size: give an integer or {"height","width"}`)
	case p.DoRescale && (p.Factor == 0 || math.IsNaN(p.Factor) || math.IsInf(p.Factor, 0)):
		return fmt.Errorf("rescale_factor %g is not a usable factor", p.Factor)
	case p.DoNormalize && (len(p.Mean) == 0 || len(p.Std) == 0):
		return errors.New("do_normalize needs image_mean and image_std")
	}
	for _, s := range p.Std {
		if s == 0 || math.IsNaN(s) || math.IsInf(s, 0) {
			return fmt.Errorf("image_std %g does not divide", s)
		}
	}
	return nil
}

// Pipeline is a Preprocess adapted to one model: every size is known. It is safe for concurrent
// use.
type Pipeline struct {
	Preprocess // as resolved: with sizes filled in
	Channels   int
	Height     int
	Width      int

	table [][256]float32 // per channel: the input value of each sample
	// the sample whose value is closest to zero, for pixels that augmentation uncovers
	fill []uint8
}

// defaultSide is the side of the input if neither the preprocessor nor the model gives one.
const defaultSide = 224

// For adapts p to a model's input of channels (1 or 3) by height by width. An axis that the model
// leaves open is 0 or less; it comes from the preprocessor, or else is 224. It errors if the
// preprocessor yields another size than the model takes.
func (p Preprocess) For(channels, height, width int) (*Pipeline, error) {
	if channels != 1 && channels != 3 {
		return nil, fmt.Errorf("data: the model's input has %d channels: pictures have 1 or 3", channels)
	}
	if height > maxSide || width > maxSide {
		return nil, fmt.Errorf("data: the model's input of %dx%d is larger than %d pixels", height, width, maxSide)
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("data: preprocess: %w", err)
	}
	for _, v := range []struct {
		key string
		PerChannel
	}{{"image_mean", p.Mean}, {"image_std", p.Std}} {
		if n := len(v.PerChannel); p.DoNormalize && n != 1 && n != channels {
			return nil, fmt.Errorf("data: preprocess: %s has %d values, the model's input %d channels", v.key, n, channels)
		}
	}
	if !p.DoResize {
		p.Size = nil
	}
	// The last step that sets both sides decides the input's size. If there is none, one is added.
	switch {
	case p.DoCenterCrop:
	case p.Size != nil && p.Size.Height == 0: // the other edge varies
		p.DoCenterCrop = true
	default:
		p.DoResize = true
	}
	last, name := &p.CropSize, "crop_size"
	if !p.DoCenterCrop {
		last, name = &p.Size, "size"
	}
	h, w := height, width
	if given := *last; given != nil {
		h, w = given.Height, given.Width
		if height > 0 && h != height || width > 0 && w != width {
			return nil, fmt.Errorf("data: preprocess: %s is %dx%d but the model's input is %sx%s: mend the preprocessor or choose a preset",
				name, h, w, side(height), side(width))
		}
	}
	if open := h <= 0 && w <= 0; open && p.Size != nil {
		edge := max(p.Size.ShortestEdge, p.Size.LongestEdge)
		h, w = max(p.Size.Height, edge), max(p.Size.Width, edge)
	} else if open {
		h, w = defaultSide, defaultSide
	}
	if h <= 0 {
		h = w
	}
	if w <= 0 {
		w = h
	}
	*last = &Size{Height: h, Width: w}
	if p.DoResize && p.Size == nil {
		p.Size = &Size{ShortestEdge: (max(h, w)*8 + 3) / 7}
	}
	pl := &Pipeline{Preprocess: p, Channels: channels, Height: h, Width: w}
	return pl, pl.tabulate()
}

func side(n int) string {
	if n <= 0 {
		return "?"
	}
	return fmt.Sprint(n)
}

func (pl *Pipeline) tabulate() error {
	pl.table = make([][256]float32, pl.Channels)
	pl.fill = make([]uint8, pl.Channels)
	for c := range pl.table {
		for i := range 256 {
			v := float64(i)
			if pl.DoRescale {
				v *= pl.Factor
			}
			if pl.DoNormalize {
				v = (v - pl.Mean.at(c)) / pl.Std.at(c)
			}
			pl.table[c][i] = float32(v)
			if math.IsInf(v, 0) || math.Abs(v) > math.MaxFloat32 {
				return fmt.Errorf("data: preprocess: sample %d of channel %d becomes %g: mend rescale_factor, image_mean or image_std", i, c, v)
			}
			if math.Abs(v) < math.Abs(float64(pl.table[c][pl.fill[c]])) {
				pl.fill[c] = uint8(i)
			}
		}
	}
	return nil
}

// Len returns the number of values of one example: Channels*Height*Width.
func (pl *Pipeline) Len() int { return pl.Channels * pl.Height * pl.Width }

// Digest identifies everything that decides an example's values, except the file's bytes. Caches of
// derived values use it.
func (pl *Pipeline) Digest() [sha256.Size]byte {
	b, err := json.Marshal(pl.Preprocess)
	if err != nil {
		panic("data: a checked preprocessor has no JSON form: " + err.Error())
	}
	return sha256.Sum256(fmt.Appendf(b, "picture/1 %d %d %d", pl.Channels, pl.Height, pl.Width))
}

// Prepare decodes an encoded picture and writes the model's input to dst: Channels planes of Height
// rows of Width values. It panics if dst does not hold Len values.
func (pl *Pipeline) Prepare(file []byte, dst []float32) error {
	r, err := pl.Canvas(file, true)
	if err != nil {
		return err
	}
	pl.values(r, dst)
	return nil
}

// maxCanvas limits a resized picture. A very thin picture enlarged until its short side fits has no
// useful size.
const maxCanvas = 1 << 26

// Canvas decodes and resizes a picture, and crops it if crop is true. This is the part of Prepare
// that is worth keeping in memory.
func (pl *Pipeline) Canvas(file []byte, crop bool) (Raster, error) {
	r, err := decode(file, pl.Channels)
	if err != nil {
		return Raster{}, err
	}
	w, h := r.w, r.h
	if pl.DoResize {
		w, h = pl.Size.of(r.w, r.h)
	}
	if w > maxCanvas/h {
		return Raster{}, fmt.Errorf("a picture of %dx%d pixels is too elongated", r.w, r.h)
	}
	out := window{0, 0, w, h}
	if crop {
		out = pl.center(w, h)
	}
	if inside := out.x >= 0 && out.y >= 0 && out.x+out.w <= w && out.y+out.h <= h; !inside {
		return r.resize(pl.Resample, r.all(), w, h, window{0, 0, w, h}).crop(out.x, out.y, out.w, out.h), nil
	}
	return r.resize(pl.Resample, r.all(), w, h, out), nil
}

// center returns the window that the centre crop keeps of w by h pixels. It reaches outside a
// smaller picture, which gets a black border.
func (pl *Pipeline) center(w, h int) window {
	return window{(w - pl.Width) >> 1, (h - pl.Height) >> 1, pl.Width, pl.Height}
}

// values writes a picture of the model's size as planes of values.
func (pl *Pipeline) values(r Raster, dst []float32) {
	n := pl.Height * pl.Width
	if len(dst) != pl.Len() || len(r.pix) != pl.Len() {
		panic(fmt.Sprintf("data: %d values for a picture of %d samples, want %d", len(dst), len(r.pix), pl.Len()))
	}
	for c := range pl.Channels {
		t, plane, pix := &pl.table[c], dst[c*n:(c+1)*n], r.pix[c:]
		for i := range plane {
			plane[i] = t[pix[i*pl.Channels]]
		}
	}
}
