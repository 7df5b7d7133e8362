package sound

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Kinds of front ends, named like Hugging Face's feature extractors.
const (
	Whisper = "WhisperFeatureExtractor"  // log-mel, slaney filters, one row [feature_size, frames]
	AST     = "ASTFeatureExtractor"      // Kaldi's log filter banks, one row [max_length, num_mel_bins]
	Raw     = "Wav2Vec2FeatureExtractor" // the samples themselves
)

// Config says how a sound becomes a model's input. Its JSON form is the part of Hugging Face's
// preprocessor_config.json that concerns sounds, with additional keys for windows and for a front
// end that is a model. It survives a round trip. The front end is the model that frontend names.
// Without one, feature_extractor_type decides, or else the other keys that are present, or else it
// is the samples themselves.
type Config struct {
	Type         string `json:"feature_extractor_type,omitempty"`
	SamplingRate int    `json:"sampling_rate"` // in Hz; sounds with another rate are resampled

	// limit on the length of a sound, beyond which it is refused; default 600
	MaxSeconds float64 `json:"max_seconds,omitempty"`

	// A front end that is a model: samples [1,S] -> values whose last two axes are frames and bins.
	Frontend string `json:"frontend,omitempty"` // its file, beside this one
	// factor on the samples, which are -1 to 1; default 1
	SampleScale *float64 `json:"sample_scale,omitempty"`
	// factor on the model's values; default 1
	FeatureScale *float64 `json:"feature_scale,omitempty"`
	FeatureShift float64  `json:"feature_shift,omitempty"` // added after it

	// Windows over the frames of a model, or over the samples if there is no front end. Each window
	// is one row. With 0, the whole sound is one row.
	Window     int       `json:"window,omitempty"`
	Hop        int       `json:"hop,omitempty"`         // from one window to the next; default Window
	PadSeconds []float64 `json:"pad_seconds,omitempty"` // silence before and after

	// Raw: to mean 0 and standard deviation 1, default yes if the type is named; AST: by Mean and
	// Std, default yes
	DoNormalize *bool `json:"do_normalize,omitempty"`

	FeatureSize int `json:"feature_size,omitempty"` // Whisper: mel bins, default 80
	NFFT        int `json:"n_fft,omitempty"`        // Whisper: samples per frame, default 400
	HopLength   int `json:"hop_length,omitempty"`   // Whisper: samples between frames, default 160
	// Whisper: seconds to which a sound is padded or cut, default 30
	ChunkLength float64 `json:"chunk_length,omitempty"`

	NumMelBins int `json:"num_mel_bins,omitempty"` // AST: default 128
	// AST: frames to which a sound is padded or cut, default 1024
	MaxLength int      `json:"max_length,omitempty"`
	Mean      *float64 `json:"mean,omitempty"` // AST: default -4.2677393
	// AST: default 4.5689974; values are divided by twice this
	Std *float64 `json:"std,omitempty"`

	PaddingSide  string  `json:"padding_side,omitempty"` // only right, the default
	PaddingValue float64 `json:"padding_value,omitempty"`
	// only 0: features do not depend on random numbers
	Dither float64 `json:"dither,omitempty"`
}

// IsConfig reports whether a preprocessor file is about sounds.
func IsConfig(b []byte) bool {
	var keys struct {
		Rate   json.RawMessage `json:"sampling_rate"`
		Nested json.RawMessage `json:"feature_extractor"`
	}
	return json.Unmarshal(b, &keys) == nil && (len(keys.Rate) > 0 || len(keys.Nested) > 0)
}

// Parse reads a preprocessor file, also where it is the part feature_extractor of a
// processor_config.json. It errors on a key that may change the sounds and is not understood. Errors
// name the key.
func Parse(b []byte) (Config, error) {
	var c Config
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(b, &keys); err != nil {
		return c, err
	}
	if nested := keys["feature_extractor"]; nested != nil {
		return Parse(nested)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		var t *json.UnmarshalTypeError
		if errors.As(err, &t) {
			return c, fmt.Errorf("%s: %s where %s is expected", t.Field, t.Value, t.Type)
		}
		return c, err
	}
	if err := c.fill(); err != nil {
		return c, err
	}
	return c, c.checkKeys(keys)
}

// fill determines the kind, sets its defaults and checks every key.
func (c *Config) fill() error {
	yes := true
	if c.Type == AST || c.Type == Raw {
		c.DoNormalize = cmp.Or(c.DoNormalize, &yes)
	}
	if c.Type == "" && c.Frontend == "" {
		switch {
		case c.ChunkLength != 0 || c.NFFT != 0:
			c.Type = Whisper
		case c.NumMelBins != 0:
			c.Type, c.DoNormalize = AST, cmp.Or(c.DoNormalize, &yes)
		default:
			c.Type, c.DoNormalize = Raw, cmp.Or(c.DoNormalize, new(bool))
		}
	}
	switch {
	case c.Frontend != "" && c.Type != "":
		return fmt.Errorf("frontend %q and feature_extractor_type %q are two front ends: give one", c.Frontend, c.Type)
	case c.Frontend != "":
	case c.Type == Whisper:
		setDefault(&c.FeatureSize, 80)
		setDefault(&c.NFFT, 400)
		setDefault(&c.HopLength, 160)
		setDefault(&c.ChunkLength, 30)
	case c.Type == AST:
		setDefault(&c.NumMelBins, 128)
		setDefault(&c.MaxLength, 1024)
		mean, std := -4.2677393, 4.5689974 // of AudioSet
		c.Mean, c.Std = cmp.Or(c.Mean, &mean), cmp.Or(c.Std, &std)
	case c.Type != Raw:
		return fmt.Errorf("feature_extractor_type %q is not known; it may be %s, %s or %s, or frontend may name a model", c.Type, Whisper, AST, Raw)
	}
	if c.Window > 0 {
		setDefault(&c.Hop, c.Window)
	}
	return c.check()
}

func setDefault[T int | float64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

// orElse returns what v points to, or def if v is nil.
func orElse(v *float64, def float64) float64 {
	if v == nil {
		return def
	}
	return *v
}

func (c *Config) check() error {
	if strings.ContainsAny(c.Frontend, `/\`) {
		return fmt.Errorf("frontend %q: give the name of a file beside this one", c.Frontend)
	}
	if c.MaxSeconds != 0 && !(c.MaxSeconds >= 0.1 && c.MaxSeconds <= 86400) {
		return fmt.Errorf("max_seconds: %g is not from 0.1 to 86400", c.MaxSeconds)
	}
	type bound struct {
		key      string
		v        float64
		min, max float64
	}
	bounds := []bound{{"sampling_rate", float64(c.SamplingRate), minRate, maxRate}, {"padding_value", c.PaddingValue, 0, 0}, {"dither", c.Dither, 0, 0},
		{"feature_scale", orElse(c.FeatureScale, 1), -math.MaxFloat32, math.MaxFloat32}, {"feature_shift", c.FeatureShift, -math.MaxFloat32, math.MaxFloat32},
		{"sample_scale", orElse(c.SampleScale, 1), 1e-9, 1e9}}
	windowed := c.Frontend != "" || c.Type == Raw
	switch {
	case windowed && c.Window != 0:
		bounds = append(bounds, bound{"window", float64(c.Window), 1, maxSamples}, bound{"hop", float64(c.Hop), 1, maxSamples})
	case !windowed && c.Window != 0:
		return fmt.Errorf("window: %s makes one row of a sound", c.Type)
	}
	switch c.Type {
	case Whisper:
		bounds = append(bounds, bound{"feature_size", float64(c.FeatureSize), 1, 1024}, bound{"n_fft", float64(c.NFFT), 16, 1 << 15},
			bound{"hop_length", float64(c.HopLength), 1, float64(c.NFFT)}, bound{"chunk_length", c.ChunkLength, 0.1, 600})
	case AST:
		bounds = append(bounds, bound{"num_mel_bins", float64(c.NumMelBins), 1, 1024}, bound{"max_length", float64(c.MaxLength), 1, 1 << 16},
			bound{"mean", *c.Mean, -1e9, 1e9}, bound{"std", *c.Std, 1e-9, 1e9})
	}
	for _, p := range c.PadSeconds {
		bounds = append(bounds, bound{"pad_seconds", p, 0, 60})
	}
	for _, b := range bounds {
		if !(b.v >= b.min && b.v <= b.max) {
			return fmt.Errorf("%s: %g is not from %g to %g", b.key, b.v, b.min, b.max)
		}
	}
	if n := len(c.PadSeconds); n != 0 && n != 2 {
		return fmt.Errorf("pad_seconds: %d numbers; give two, before and after", n)
	}
	if c.PaddingSide != "" && c.PaddingSide != "right" {
		return fmt.Errorf("padding_side %q is not right", c.PaddingSide)
	}
	return nil
}
