package config

import (
	"slices"
	"strings"
)

// EachModelPath visits each option that may name a file that goes with the model, or else a preset. It
// writes back what visit makes of it.
func (c *Config) EachModelPath(visit func(path *string) error) error {
	for _, path := range []*string{&c.Model, &c.Preprocess, &c.Tokenizer} {
		if *path == "" {
			continue
		}
		if err := visit(path); err != nil {
			return err
		}
	}
	c.Input = slices.Clone(c.Input)
	for i, text := range c.Input {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			continue
		}
		if err := visit(&value); err != nil {
			return err
		}
		c.Input[i] = name + "=" + value
	}
	return nil
}
