package picture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data/spec"
)

// Preprocess says how a picture becomes a model's input. Its JSON form is the part of Hugging
// Face's preprocessor_config.json that concerns pictures, and survives a round trip. The steps, in
// order: resize, centre crop, rescale, normalize, flip the channels, pad.
type Preprocess struct {
	DoResize     bool       `json:"do_resize"`
	Size         *Size      `json:"size,omitempty"` // nil: the model's input
	Resample     Filter     `json:"resample"`
	DoCenterCrop bool       `json:"do_center_crop"`
	CropSize     *Size      `json:"crop_size,omitempty"` // nil: the model's input
	DoRescale    bool       `json:"do_rescale"`
	Factor       float64    `json:"rescale_factor"` // samples 0..255 are multiplied by it
	DoNormalize  bool       `json:"do_normalize"`
	Mean         PerChannel `json:"image_mean,omitempty"` // subtracted after rescaling, one value a channel or one for all
	Std          PerChannel `json:"image_std,omitempty"`  // then divided by

	Offset     bool   `json:"rescale_offset,omitempty"`        // subtracts 1 after rescaling
	IncludeTop bool   `json:"include_top,omitempty"`           // divides by Std once more, after normalising
	Flip       bool   `json:"do_flip_channel_order,omitempty"` // blue, green, red; Mean and Std are of red, green, blue
	DoPad      bool   `json:"do_pad,omitempty"`                // fills with values of zero to the right and below, last
	PadSize    *Size  `json:"pad_size,omitempty"`              // nil: the model's input
	DataFormat string `json:"data_format,omitempty"`           // of the model's input: ChannelsFirst, ChannelsLast, "" to be found

	// Unknown is the class of Hugging Face's processor that the file names, where that is not known:
	// what it does beside the keys is not done.
	Unknown string `json:"-"`
}

// The order of the axes of a model's input: N,C,H,W or N,H,W,C.
const (
	ChannelsFirst = "channels_first"
	ChannelsLast  = "channels_last"
)

// Size is a size in pixels: height and width, or an edge that fixes both by keeping the picture's
// shape.
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
		return errNoSize
	}
	return nil
}

// of returns the size to which a picture of w by h pixels is resized.
func (s *Size) of(w, h int) (int, int) {
	if s.Height > 0 {
		return s.Width, s.Height
	}
	short, long := float64(min(w, h)), float64(max(w, h))
	// The longer side is rounded down, as in torchvision and Hugging Face's
	// get_resize_output_image_size; what a longest edge leaves of the shorter side is rounded, as
	// DETR's and SAM's processors do.
	newShort, newLong := s.ShortestEdge, int(float64(s.ShortestEdge)*long/short)
	if s.ShortestEdge == 0 || s.LongestEdge > 0 && float64(s.ShortestEdge)*long/short > float64(s.LongestEdge) {
		newShort, newLong = max(1, int(float64(s.LongestEdge)*short/long+0.5)), s.LongestEdge
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

// Presets are the names of presets and what they do.
var Presets = []spec.Entry{
	{Name: "imagenet", Meaning: "resize to 8/7 of the model's input, crop the centre, ImageNet's mean and standard deviation"},
	{Name: "inception", Meaning: "the same sizes, values from -1 to 1: x/127.5 - 1"},
	{Name: "unit", Meaning: "stretch the whole picture to the model's input, values from 0 to 1: x/255"},
	{Name: "raw", Meaning: "likewise, values from 0 to 255"},
}

// PresetNames lists the names of Presets.
func PresetNames() []string {
	var names []string
	for _, p := range Presets {
		names = append(names, p.Name)
	}
	return names
}

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
		return Preprocess{}, fmt.Errorf("option preprocess %q is neither a file nor one of %s", nameOrFile, strings.Join(PresetNames(), ", "))
	}
	if err != nil {
		return Preprocess{}, fmt.Errorf("option preprocess: %w", err)
	}
	p, err := ParsePreprocess(b)
	if err != nil {
		return Preprocess{}, fmt.Errorf("data: preprocess %s: %w", nameOrFile, err)
	}
	return p, nil
}

func (p Preprocess) check() error {
	for _, s := range []struct {
		key string
		*Size
	}{{"size", p.Size}, {"crop_size", p.CropSize}, {"pad_size", p.PadSize}} {
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
	case p.IncludeTop && len(p.Std) == 0:
		return errors.New("include_top needs image_std")
	case p.DoPad && p.DoCenterCrop:
		return errors.New("do_pad and do_center_crop are two ends: give one")
	case p.PadSize != nil && p.PadSize.Height == 0:
		return errors.New(`pad_size: give {"height","width"}`)
	case p.DataFormat != "" && p.DataFormat != ChannelsFirst && p.DataFormat != ChannelsLast:
		return fmt.Errorf("data_format %q is not %s or %s", p.DataFormat, ChannelsFirst, ChannelsLast)
	}
	for _, s := range p.Std {
		if s == 0 || math.IsNaN(s) || math.IsInf(s, 0) {
			return fmt.Errorf("image_std %g does not divide", s)
		}
	}
	return nil
}
