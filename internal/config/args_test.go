package config

import (
	"flag"
	"io"
	"reflect"
	"testing"
	"time"
)

// TestArgs: the arguments give the same options again.
func TestArgs(t *testing.T) {
	decay := 0.05
	for name, edit := range map[string]func(*Config){
		"defaults": func(*Config) {},
		"many": func(c *Config) {
			c.Model, c.Data, c.Out = "a model.onnx", "it's", "-out"
			c.Thaw, c.Freeze, c.Auto, c.Budget = []string{"head", "last:2"}, []string{"kind:norm"}, true, 90*time.Second
			c.LR, c.WeightDecay, c.Seed, c.CacheBudget, c.Epochs = 1e-5, &decay, 7, 2<<30, 3
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := DefaultConfig()
			edit(&want)
			got := DefaultConfig()
			fs := flag.NewFlagSet("", flag.ContinueOnError)
			fs.SetOutput(io.Discard)
			got.Bind(fs)
			if err := fs.Parse(want.Args()); err != nil {
				t.Fatalf("%q: %v", want.Args(), err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%q gives %+v, want %+v", want.Args(), got, want)
			}
		})
	}
}
