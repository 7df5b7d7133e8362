package freeze

import (
	"errors"
)

func init() {
	RegisterSelector(Selector{
		Kind: "kind", Examples: []string{"kind:bias", "kind:norm", "kind:shift", "kind:weight", "kind:embedding", "kind:attention", "kind:feedforward"},
		Read: func(_ *Set, arg string) (Named, error) {
			r := Role(arg)
			switch r {
			case RoleBias, RoleNorm, RoleWeight, RoleEmbedding, RoleAdapter:
				return Named{Weights: func(w *Weight) bool { return w.Role == r }}, nil
			}
			if arg == "shift" {
				return Named{Weights: func(w *Weight) bool { return w.Role == RoleNorm && w.shift }}, nil
			}
			if use, ok := uses[arg]; ok {
				return Named{Weights: func(w *Weight) bool { return w.Use&use != 0 }}, nil
			}
			return Named{}, errors.New("kinds are bias, norm, shift, weight, embedding, adapter; of matrices in transformers attention, query, key, value, output, feedforward")
		},
	})
}
