package picture

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// Pipeline is a Preprocess adapted to one model: every size is known. It is safe for concurrent
// use.
type Pipeline struct {
	Preprocess // as resolved: with sizes filled in
	Channels   int
	Height     int
	Width      int

	table [][256]float32 // per channel: the input value of each sample
	fill  []uint8        // the sample whose value is closest to zero, for uncovered pixels
}

// defaultSide is the side of the input if neither the preprocessor nor the model gives one.
const defaultSide = 224

// For adapts p to a model's input of channels (1 to 4: grey, grey and opacity, colours, colours and
// opacity) by height by width. An axis that the model leaves open is 0 or less; it comes from the
// preprocessor, or else is 224. It errors if the preprocessor yields another size than the model
// takes.
func (p Preprocess) For(channels, height, width int) (*Pipeline, error) {
	if channels < 1 || channels > 4 {
		return nil, fmt.Errorf("data: the model's input has %d channels: pictures have 1 to 4", channels)
	}
	if height > maxSide || width > maxSide {
		return nil, fmt.Errorf("data: the model's input of %dx%d is larger than %d pixels", height, width, maxSide)
	}
	if err := p.checkFor(channels); err != nil {
		return nil, fmt.Errorf("data: preprocess: %w", err)
	}
	h, w, err := p.resolve(height, width)
	if err != nil {
		return nil, fmt.Errorf("data: preprocess: %w", err)
	}
	pl := &Pipeline{Preprocess: p, Channels: channels, Height: h, Width: w}
	return pl, pl.tabulate()
}

// checkFor errors if p does not fit a number of channels.
func (p Preprocess) checkFor(channels int) error {
	if err := p.check(); err != nil {
		return err
	}
	for _, v := range []struct {
		key string
		PerChannel
	}{{"image_mean", p.Mean}, {"image_std", p.Std}} {
		if n := len(v.PerChannel); p.DoNormalize && n != 1 && n != channels && n != colours(channels) {
			return fmt.Errorf("%s has %d values, the model's input %d channels", v.key, n, channels)
		}
	}
	if p.Flip && channels < 3 {
		return fmt.Errorf("do_flip_channel_order: the model's input has %d channels", channels)
	}
	return nil
}

// colours returns the number of channels without the opacity channel.
func colours(channels int) int { return channels - 1 + channels%2 }

// resolve fills in every size of p for a model's input, and returns the input's size. The last step
// that sets both sides decides it. If there is none, one is added.
func (p *Preprocess) resolve(height, width int) (h, w int, err error) {
	if !p.DoResize {
		p.Size = nil
	}
	if p.DoPad && p.PadSize == nil && p.Size != nil && p.Size.Height > 0 { // nothing is left to fill
		p.DoPad = false
	}
	switch {
	case p.DoCenterCrop || p.DoPad:
	case p.Size != nil && p.Size.Height == 0: // the other edge varies
		p.DoCenterCrop = true
	default:
		p.DoResize = true
	}
	last, name := p.last()
	h, w = height, width
	if given := *last; given != nil {
		h, w = given.Height, given.Width
		if height > 0 && h != height || width > 0 && w != width {
			return 0, 0, fmt.Errorf("%s is %dx%d but the model's input is %sx%s: mend the preprocessor, choose a preset, or give option size",
				name, h, w, side(height), side(width))
		}
	}
	open := h <= 0 && w <= 0
	switch {
	case open && p.DoPad:
		return 0, 0, errors.New("do_pad: the model takes any size: give pad_size, or option size")
	case open && p.Size != nil:
		edge := max(p.Size.ShortestEdge, p.Size.LongestEdge)
		h, w = max(p.Size.Height, edge), max(p.Size.Width, edge)
	case open:
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
	return h, w, nil
}

// last returns the size that the last step produces, with its key.
func (p *Preprocess) last() (*(*Size), string) {
	switch {
	case p.DoPad:
		return &p.PadSize, "pad_size"
	case p.DoCenterCrop:
		return &p.CropSize, "crop_size"
	}
	return &p.Size, "size"
}

// Resized adapts p to an input of another size: sizes for resizing, cropping and padding keep their
// proportion to the input.
func (p Preprocess) Resized(height, width int) Preprocess {
	edged := p.DoResize && p.Size != nil && p.Size.Height == 0
	last, _ := p.last()
	old := 0
	switch {
	case *last != nil && (*last).Height > 0:
		old = max((*last).Height, (*last).Width)
	case edged:
		old = max(p.Size.ShortestEdge, p.Size.LongestEdge)
	}
	if p.DoResize && p.Size != nil && old > 0 && last != &p.Size {
		by := func(n int) int { return (n*max(height, width) + old/2) / old }
		s := p.Size
		p.Size = &Size{by(s.Height), by(s.Width), by(s.ShortestEdge), by(s.LongestEdge)}
	}
	if last == &p.Size && edged { // the crop that For adds
		by := func(n int) int { return (n*max(height, width) + old/2) / old }
		p.Size = &Size{ShortestEdge: by(p.Size.ShortestEdge), LongestEdge: by(p.Size.LongestEdge)}
		p.DoCenterCrop, p.CropSize = true, &Size{Height: height, Width: width}
		return p
	}
	if p.DoResize || p.DoCenterCrop || p.DoPad {
		*last = &Size{Height: height, Width: width}
	}
	return p
}

func side(n int) string {
	if n <= 0 {
		return "?"
	}
	return fmt.Sprint(n)
}

// tabulate computes the input value of every sample. The order is Hugging Face's: rescale, offset,
// normalize, the second division of include_top, then the flip of the channels, so that means and
// deviations are those of red, green and blue. Opacity is only rescaled.
func (pl *Pipeline) tabulate() error {
	pl.table = make([][256]float32, pl.Channels)
	pl.fill = make([]uint8, pl.Channels)
	for c := range pl.table {
		opacity := c >= colours(pl.Channels) && len(pl.Mean) != pl.Channels
		for i := range 256 {
			v := float64(i)
			if pl.DoRescale {
				v *= pl.Factor
			}
			if pl.DoRescale && pl.Offset && !opacity {
				v--
			}
			if pl.DoNormalize && !opacity {
				v = (v - pl.Mean.at(c)) / pl.Std.at(c)
			}
			if pl.IncludeTop && !opacity {
				v /= pl.Std.at(c)
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

// Range returns the smallest and the greatest value that a sample can become.
func (pl *Pipeline) Range() (least, most float32) {
	least, most = pl.table[0][0], pl.table[0][0]
	for c := range pl.table {
		for _, v := range pl.table[c] {
			least, most = min(least, v), max(most, v)
		}
	}
	return least, most
}

// Whole adapts pl to an input of integers from least to most. It errors if samples become other
// values.
func (pl *Pipeline) Whole(least, most float64) error {
	for c := range pl.table {
		for i, v := range pl.table[c] {
			n := math.Round(float64(v))
			if math.Abs(n-float64(v)) > 1e-3 || n < least || n > most {
				lo, hi := pl.Range()
				choose := "option preprocess raw (0 to 255), or a file without rescale_factor"
				if most < 255 { // raw does not fit
					choose = fmt.Sprintf(`with option preprocess a file such as {"do_rescale": false, "image_mean": %.0f, "image_std": 1}, which makes values from %.0f to %.0f`, 255-most, most-255, most)
				}
				return fmt.Errorf("it takes whole numbers from %.0f to %.0f, and the preparation makes values from %.4g to %.4g: choose %s", least, most, lo, hi, choose)
			}
			pl.table[c][i] = float32(n)
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
	return sha256.Sum256(fmt.Appendf(b, "picture/2 %d %d %d", pl.Channels, pl.Height, pl.Width))
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
	if pl.DoPad && (w > pl.Width || h > pl.Height) {
		return Raster{}, fmt.Errorf("a picture of %dx%d pixels is resized to %dx%d, more than the %dx%d that it is padded to", r.w, r.h, w, h, pl.Width, pl.Height)
	}
	out := window{0, 0, w, h}
	if crop && !pl.DoPad {
		out = pl.center(w, h)
	}
	if inside := out.x >= 0 && out.y >= 0 && out.x+out.w <= w && out.y+out.h <= h; !inside {
		return r.resize(pl.Resample, r.all(), w, h, window{0, 0, w, h}).crop(out.x, out.y, out.w, out.h), nil
	}
	return r.resize(pl.Resample, r.all(), w, h, out), nil
}

// center returns the window that the centre crop keeps of w by h pixels. It reaches outside a
// smaller picture, which gets a black border. If pictures are padded, it starts at the corner.
func (pl *Pipeline) center(w, h int) window {
	if pl.DoPad {
		return window{0, 0, pl.Width, pl.Height}
	}
	return window{(w - pl.Width) >> 1, (h - pl.Height) >> 1, pl.Width, pl.Height}
}

// values writes a picture of the model's size, or one that is padded to it, as planes of values.
func (pl *Pipeline) values(r Raster, dst []float32) {
	n := pl.Height * pl.Width
	if whole := r.w == pl.Width && r.h == pl.Height; len(dst) != pl.Len() || !whole && !pl.DoPad {
		panic(fmt.Sprintf("data: %d values for a picture of %d samples, want %d", len(dst), len(r.pix), pl.Len()))
	}
	for c := range pl.Channels {
		from := c
		if pl.Flip && c < 3 {
			from = 2 - c
		}
		t, plane := &pl.table[from], dst[c*n:(c+1)*n]
		if r.w < pl.Width || r.h < pl.Height {
			clear(plane)
		}
		for y := range r.h {
			line, pix := plane[y*pl.Width:][:r.w], r.row(y)[from:]
			for i := range line {
				line[i] = t[pix[i*pl.Channels]]
			}
		}
	}
}
