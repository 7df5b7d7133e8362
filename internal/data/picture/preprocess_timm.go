package picture

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// parseTimm reads the part pretrained_cfg of a timm model's config.json. It follows timm's
// preparation for evaluation: resize the shorter side to the input's divided by crop_pct, crop the
// centre, scale to 0 to 1, normalise. The other keys say where the weights are from and which
// layers they have.
func parseTimm(b []byte) (Preprocess, error) {
	var f struct {
		InputSize []int      `json:"input_size"` // channels, height, width
		CropPct   *float64   `json:"crop_pct"`
		CropMode  string     `json:"crop_mode"`
		Filter    *Filter    `json:"interpolation"`
		Mean      PerChannel `json:"mean"`
		Std       PerChannel `json:"std"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return Preprocess{}, fmt.Errorf("pretrained_cfg: %w", err)
	}
	pct := or(f.CropPct, 0.875)
	switch {
	case len(f.InputSize) != 3 || slices.Min(f.InputSize) < 1 || slices.Max(f.InputSize) > maxSide:
		return Preprocess{}, fmt.Errorf("pretrained_cfg: input_size %v: give channels, height and width", f.InputSize)
	case !(pct >= 0.05 && pct <= 1):
		return Preprocess{}, fmt.Errorf("pretrained_cfg: crop_pct %g is not from 0.05 to 1", pct)
	case len(f.Mean) == 0 || len(f.Std) == 0:
		return Preprocess{}, fmt.Errorf("pretrained_cfg: mean and std are missing")
	}
	h, w := f.InputSize[1], f.InputSize[2]
	by := func(n int) int { return int(math.Floor(float64(n) / pct)) }
	p := Preprocess{DoResize: true, Resample: or(f.Filter, Bilinear), DoCenterCrop: true, CropSize: &Size{Height: h, Width: w},
		DoRescale: true, Factor: 1. / 255, DoNormalize: true, Mean: f.Mean, Std: f.Std}
	switch {
	case f.CropMode == "squash":
		p.Size = &Size{Height: by(h), Width: by(w)}
	case f.CropMode != "" && f.CropMode != "center":
		return p, fmt.Errorf("pretrained_cfg: crop_mode %q is not center or squash", f.CropMode)
	case h != w:
		return p, fmt.Errorf("pretrained_cfg: input_size %v is not square, which crop_mode center is not done for: describe the preparation in a preprocessor file", f.InputSize)
	default:
		p.Size = &Size{ShortestEdge: by(h)}
	}
	return p, p.check()
}
