package split

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// multiplier is one learning-rate multiplier: SELECTOR=X.
type multiplier struct {
	selector string
	x        float64
}

func parseMultiplier(text string) (multiplier, error) {
	i := strings.LastIndexByte(text, '=')
	if i < 1 {
		return multiplier{}, option.Errorf("lr_mult", "%q is not SELECTOR=X, as last:1=0.1", text)
	}
	x, err := strconv.ParseFloat(text[i+1:], 64)
	if err != nil || !(x > 0) || math.IsInf(x, 0) {
		return multiplier{}, option.Errorf("lr_mult", "%q: %q is not a number above 0 (option freeze keeps weights as they are)", text, text[i+1:])
	}
	return multiplier{text[:i], x}, nil
}

// CheckMultiplier errors if text is not SELECTOR=X.
func CheckMultiplier(text string) error {
	_, err := parseMultiplier(text)
	return err
}

// setRates sets the learning-rate multipliers of the plan's thawed weights. A multiplier is the
// last of lr_mult whose selector names the weight, times layer_decay to the power of the weight's
// distance from the head. The head has distance 0, the last block 1, and so on down to the input.
// idle lists the multipliers that name no thawed weight.
//
// Layer-wise decay: Clark, Luong, Le and Manning, ELECTRA, ICLR 2020, appendix A; Bao, Dong, Piao
// and Wei, BEiT, ICLR 2022.
func setRates(set *freeze.Set, plan *freeze.Plan, mults []string, decay float64) (idle []string, err error) {
	if len(mults) == 0 && decay == 0 {
		return nil, nil
	}
	rate := map[string]float64{}
	for _, text := range mults {
		m, err := parseMultiplier(text)
		if err != nil {
			return nil, err
		}
		named, err := set.Select([]string{m.selector})
		if err != nil {
			return nil, fmt.Errorf("option lr_mult %s: %w", text, err)
		}
		trains := false
		for _, w := range named {
			rate[w.Name] = m.x
			trains = trains || plan.Of(w.Name).Trains()
		}
		if !trains {
			idle = append(idle, text)
		}
	}
	for i := range plan.Params {
		e := &plan.Params[i]
		w := set.ByName(e.Name)
		if w == nil || !e.Trains() {
			continue
		}
		x, ok := rate[e.Name]
		if !ok {
			x = 1
		}
		if decay != 0 && w.Block >= 0 && !w.Head {
			x *= math.Pow(decay, float64(len(set.Blocks)-w.Block))
		}
		e.SetRate(x)
	}
	return idle, nil
}
