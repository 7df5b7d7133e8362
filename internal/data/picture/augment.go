package picture

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data/spec"
)

// Augment augments training pictures. Whatever their order in the text, the steps are: a random
// crop (or else the centre crop), flips, RandAugment, colour.
type Augment struct {
	Flip  bool // mirrors left-right with probability one half
	VFlip bool // mirrors top-bottom with probability one half
	// smallest fraction of the area that a random crop keeps; 0 for the centre crop
	Crop      float64
	Color     float64 // brightness, contrast and saturation are multiplied by 1-Color to 1+Color
	Ops       int     // operations of RandAugment (Cubuk et al. 2019), 0 for none
	Magnitude int     // their strength, 1 to 10
}

// AugmentSteps are the steps that ParseAugment accepts.
var AugmentSteps = []spec.Entry{
	{Name: "flip", Meaning: "mirror left-right, with probability one half"},
	{Name: "vflip", Meaning: "mirror top-bottom, with probability one half"},
	{Name: "crop:MIN_AREA (0.05 to 1)", Meaning: "cut out a random part of at least this share of the area, in place of the centre crop"},
	{Name: "color:STRENGTH (0 to 1)", Meaning: "multiply brightness, contrast and saturation by 1-STRENGTH to 1+STRENGTH"},
	{Name: "rand:OPS:MAGNITUDE (1 to 10 each)", Meaning: "RandAugment: so many random operations of this strength"},
}

// AugmentHelp lists what ParseAugment accepts.
var AugmentHelp = "none, " + spec.Names(AugmentSteps)

// ParseAugment reads a comma-separated list such as flip,crop:0.8,color:0.2,rand:2:9. "none" and ""
// return nil. An error lists what is accepted.
func ParseAugment(list string) (*Augment, error) {
	a := new(Augment)
	some, err := spec.Steps(list, func(name, args string) (bool, error) {
		var err error
		switch name {
		case "flip":
			a.Flip, err = true, noArgument(name, args)
		case "vflip":
			a.VFlip, err = true, noArgument(name, args)
		case "crop":
			a.Crop, err = fraction(args, 0.05)
		case "color":
			a.Color, err = fraction(args, 0)
		case "rand":
			ops, magnitude, _ := strings.Cut(args, ":")
			if a.Ops, err = oneToTen(ops); err == nil {
				a.Magnitude, err = oneToTen(magnitude)
			}
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return nil, fmt.Errorf("data: %w; known: %s", err, AugmentHelp)
	}
	if !some {
		return nil, nil
	}
	return a, nil
}

func noArgument(name, args string) error {
	if args != "" {
		return fmt.Errorf("%s takes no number", name)
	}
	return nil
}

func fraction(s string, least float64) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= least && v <= 1) || v == 0 {
		return 0, fmt.Errorf("%q is not a number from %g to 1", s, least)
	}
	return v, nil
}

func oneToTen(s string) (int, error) {
	v, err := strconv.Atoi(s)
	if err != nil || v < 1 || v > 10 {
		return 0, fmt.Errorf("%q is not a whole number from 1 to 10", s)
	}
	return v, nil
}

// String returns the text that ParseAugment reads.
func (a *Augment) String() string {
	if a == nil {
		return "none"
	}
	var s []string
	if a.Flip {
		s = append(s, "flip")
	}
	if a.VFlip {
		s = append(s, "vflip")
	}
	if a.Crop > 0 {
		s = append(s, fmt.Sprintf("crop:%v", a.Crop))
	}
	if a.Color > 0 {
		s = append(s, fmt.Sprintf("color:%v", a.Color))
	}
	if a.Ops > 0 {
		s = append(s, fmt.Sprintf("rand:%d:%d", a.Ops, a.Magnitude))
	}
	return strings.Join(s, ",")
}

// apply returns a picture of the model's size made from the resized picture r, which is not
// changed.
func (a *Augment) apply(r Raster, pl *Pipeline, rng *rand.Rand) Raster {
	if a.Crop > 0 {
		r = r.resize(pl.Resample, a.cut(r, pl, rng), pl.Width, pl.Height, window{0, 0, pl.Width, pl.Height})
	} else {
		c := pl.center(r.w, r.h)
		r = r.crop(c.x, c.y, c.w, c.h)
	}
	r = Raster{r.w, r.h, r.c, append([]uint8(nil), r.pix...)}
	if a.Flip && rng.IntN(2) == 1 {
		r = r.orient(2)
	}
	if a.VFlip && rng.IntN(2) == 1 {
		r = r.orient(4)
	}
	for range a.Ops {
		r = randOps[rng.IntN(len(randOps))](r, float64(a.Magnitude)/10, pl.fill, rng)
	}
	if a.Color > 0 {
		for _, adjust := range []func(Raster, float64) Raster{brightness, contrast, saturation} {
			r = adjust(r, 1+a.Color*(2*rng.Float64()-1))
		}
	}
	return r
}

// cut picks a part of r at a random position. Its area is between Crop and all of it. Its aspect
// ratio is that of the model's input times 3/4 to 4/3 (Szegedy et al. 2015).
func (a *Augment) cut(r Raster, pl *Pipeline, rng *rand.Rand) rect {
	area := (a.Crop + (1-a.Crop)*rng.Float64()) * float64(r.w) * float64(r.h)
	aspect := float64(pl.Width) / float64(pl.Height) * math.Exp((2*rng.Float64()-1)*math.Log(4./3))
	w := min(math.Sqrt(area*aspect), float64(r.w))
	h := min(area/w, float64(r.h))
	x, y := rng.Float64()*(float64(r.w)-w), rng.Float64()*(float64(r.h)-h)
	return rect{x, y, x + w, y + h}
}
