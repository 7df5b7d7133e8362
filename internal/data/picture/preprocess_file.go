package picture

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// preprocessFile is the content of a preprocessor_config.json.
type preprocessFile struct {
	DoResize     *bool           `json:"do_resize"`
	Size         json.RawMessage `json:"size"`
	ToSquare     *bool           `json:"default_to_square"`
	Resample     *Filter         `json:"resample"`
	DoCenterCrop *bool           `json:"do_center_crop"`
	CropSize     json.RawMessage `json:"crop_size"`
	CropPct      *float64        `json:"crop_pct"`
	DoRescale    *bool           `json:"do_rescale"`
	Factor       *float64        `json:"rescale_factor"`
	Offset       *bool           `json:"rescale_offset"`
	DoNormalize  *bool           `json:"do_normalize"`
	Mean         PerChannel      `json:"image_mean"`
	Std          PerChannel      `json:"image_std"`
	IncludeTop   *bool           `json:"include_top"`
	Flip         *bool           `json:"do_flip_channel_order"`
	DoPad        *bool           `json:"do_pad"`
	PadSize      json.RawMessage `json:"pad_size"`
	DataFormat   *string         `json:"data_format"`
	Processor    string          `json:"image_processor_type"`
	Extractor    string          `json:"feature_extractor_type"`
}

// ParsePreprocess reads a preprocessor_config.json for pictures, also as the part image_processor
// of a processor_config.json, or a config.json with timm's pretrained_cfg. Missing keys have their
// usual meaning: a step applies if a value is given for it, samples are rescaled by 1/255 and
// resampling is bilinear. A size that is a single integer is what default_to_square or the class of
// the processor makes of it, else the shortest edge if a crop follows, else both sides. It errors on
// an unknown key that may change the pictures, and on a class that does what is not done here.
func ParsePreprocess(b []byte) (Preprocess, error) {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(b, &keys); err != nil {
		return Preprocess{}, fmt.Errorf("not a preprocessor file: %w", err)
	}
	if keys == nil {
		return Preprocess{}, errors.New("not a preprocessor file: it is null")
	}
	switch {
	case keys["pretrained_cfg"] != nil:
		return parseTimm(keys["pretrained_cfg"])
	case keys["image_processor"] != nil:
		return ParsePreprocess(keys["image_processor"])
	case keys["sampling_rate"] != nil:
		return Preprocess{}, errors.New("sampling_rate is given: this preprocessor is for sound, not for pictures")
	}
	if err := checkKeys(keys); err != nil {
		return Preprocess{}, err
	}
	var f preprocessFile
	if err := json.Unmarshal(b, &f); err != nil {
		return Preprocess{}, fmt.Errorf("not a preprocessor file: %w", err)
	}
	p, err := f.preprocess()
	if err != nil {
		return Preprocess{}, err
	}
	return p, p.check()
}

func given(b json.RawMessage) bool { return len(b) > 0 && string(b) != "null" }

// or returns what v points to, or d if v is nil.
func or[T any](v *T, d T) T {
	if v == nil {
		return d
	}
	return *v
}

func (f *preprocessFile) preprocess() (p Preprocess, err error) {
	class, known, err := processorOf(f.Processor, f.Extractor)
	if err != nil {
		return p, err
	}
	p = Preprocess{
		DoResize:     or(f.DoResize, given(f.Size)),
		Resample:     or(f.Resample, Bilinear),
		DoCenterCrop: or(f.DoCenterCrop, given(f.CropSize)),
		DoRescale:    or(f.DoRescale, true),
		Factor:       or(f.Factor, 1./255),
		Offset:       or(f.Offset, false),
		DoNormalize:  or(f.DoNormalize, len(f.Mean) > 0),
		Mean:         f.Mean,
		Std:          f.Std,
		IncludeTop:   or(f.IncludeTop, class.top),
		Flip:         or(f.Flip, class.flip),
		DoPad:        or(f.DoPad, false),
		DataFormat:   strings.ToLower(or(f.DataFormat, "")),
	}
	if !known {
		p.Unknown = cmp.Or(f.Processor, f.Extractor)
	}
	if p.DoPad && !class.pads {
		return p, fmt.Errorf("do_pad: how %s%s pads is not known here: prepare the pictures beforehand and take the key out", f.Processor, f.Extractor)
	}
	cropPct := or(f.CropPct, class.cropPct)
	if cropPct != 0 && (cropPct < 0.05 || cropPct > 1) {
		return p, fmt.Errorf("crop_pct %g is not from 0.05 to 1", cropPct)
	}
	one := class.one
	if one == byCrop && (p.DoCenterCrop || cropPct != 0) {
		one = edge
	}
	switch {
	case f.ToSquare == nil && one == byCrop, or(f.ToSquare, false):
		one = square
	case f.ToSquare != nil && one != longest:
		one = edge
	}
	if p.Size, err = parseSize(f.Size, one); err != nil {
		return p, fmt.Errorf("size: %w", err)
	}
	if p.CropSize, err = parseSize(f.CropSize, square); err != nil {
		return p, fmt.Errorf("crop_size: %w", err)
	}
	if p.PadSize, err = parsePadSize(f.PadSize, p.DoPad); err != nil {
		return p, fmt.Errorf("pad_size: %w", err)
	}
	if class.edge != 0 && p.Size != nil {
		p.Size.ShortestEdge = int(class.edge * float64(p.Size.ShortestEdge))
	}
	return p, p.cropBy(cropPct)
}

// cropBy enlarges the resized picture so that the crop keeps the fraction pct of it; 0 changes
// nothing. If no crop is described, the size is that of the crop, as for ConvNeXt, and from 384
// pixels on the whole picture is stretched.
func (p *Preprocess) cropBy(pct float64) error {
	s := p.Size
	if pct == 0 || s == nil || !p.DoResize {
		return nil
	}
	by := func(n int) int { return int(float64(n) / pct) }
	switch {
	case s.LongestEdge > 0:
		return errors.New("crop_pct: the size is a longest edge: give shortest_edge, or height and width")
	case p.DoCenterCrop && s.Height > 0 && s.Height != s.Width: // PoolFormer
		*s = Size{Height: by(s.Height), Width: by(s.Width)}
	case p.DoCenterCrop:
		*s = Size{ShortestEdge: by(max(s.ShortestEdge, s.Height))}
	case s.Height > 0: // fixed sides, nothing to crop
	case s.ShortestEdge >= 384:
		p.Size = Square(s.ShortestEdge)
	default:
		p.DoCenterCrop, p.CropSize = true, Square(s.ShortestEdge)
		p.Size = &Size{ShortestEdge: by(s.ShortestEdge)}
	}
	return nil
}

// parseSize reads a size; one says what a single integer is.
func parseSize(b json.RawMessage, one oneNumber) (*Size, error) {
	if !given(b) {
		return nil, nil
	}
	var s Size
	var n int
	var pair []int
	switch {
	case json.Unmarshal(b, &n) == nil && one == edge:
		s.ShortestEdge = n
	case json.Unmarshal(b, &n) == nil && one == longest:
		s.LongestEdge = n
	case json.Unmarshal(b, &n) == nil:
		s.Height, s.Width = n, n
	case json.Unmarshal(b, &pair) == nil && len(pair) == 2: // [width, height], as Pillow orders them
		s.Width, s.Height = pair[0], pair[1]
	default:
		var keys map[string]json.RawMessage
		if err := json.Unmarshal(b, &keys); err != nil {
			return nil, fmt.Errorf("%s: %w", shorten(string(b)), errNoSize)
		}
		known := []string{"height", "width", "shortest_edge", "longest_edge"}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if given(keys[key]) && !slices.Contains(known, key) {
				return nil, fmt.Errorf("the key %s is not understood: %w", key, errNoSize)
			}
		}
		if err := json.Unmarshal(b, &s); err != nil {
			return nil, fmt.Errorf("%s: %w", shorten(string(b)), errNoSize)
		}
	}
	return &s, s.check()
}

// errNoSize says how sizes are given.
var errNoSize = errors.New(`give an integer, {"height","width"}, or {"shortest_edge"} or {"longest_edge"}`)

// parsePadSize reads the size to which pictures are padded. An integer means something else: a
// multiple in some processors, a border in others.
func parsePadSize(b json.RawMessage, pads bool) (*Size, error) {
	var n int
	if !pads || !given(b) {
		return nil, nil
	}
	if json.Unmarshal(b, &n) == nil {
		return nil, fmt.Errorf(`%d may be a multiple or a border: give {"height","width"}`, n)
	}
	return parseSize(b, square)
}
