package config

import (
	"encoding/json"
	"flag"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/option"
)

func goodConfig() Config {
	c := DefaultConfig()
	c.Model, c.Data = "model.onnx", "photos"
	return c
}

func TestConfigRoundTrip(t *testing.T) {
	c := goodConfig()
	zero := 0.0
	c.WeightDecay = &zero
	c.Thaw = []string{"layer4.*", "!kind:norm", "re:^fc: #"}
	c.LR, c.CacheBudget, c.Seed = 3e-4, 3<<30, math.MaxUint64
	b, err := c.YAML()
	must(t, err)
	got, err := ParseConfig(b)
	must(t, err)
	if !reflect.DeepEqual(got, c) {
		t.Errorf("reads back as\n%+v\nwant\n%+v\nfrom\n%s", got, c, b)
	}
	js, err := json.Marshal(c)
	must(t, err)
	var fromJSON Config
	must(t, json.Unmarshal(js, &fromJSON))
	if !reflect.DeepEqual(fromJSON, c) {
		t.Errorf("JSON reads back as %+v", fromJSON)
	}
}

// TestConfigKeys: each field has one key, in YAML and JSON alike, help, and an argument unless it
// is a switch.
func TestConfigKeys(t *testing.T) {
	ty := reflect.TypeFor[Config]()
	for i := range ty.NumField() {
		f := ty.Field(i)
		if f.Tag.Get("yaml") == "" || f.Tag.Get("yaml") != f.Tag.Get("json") || f.Tag.Get("help") == "" {
			t.Errorf("%s: tags %q", f.Name, f.Tag)
		}
		if (f.Tag.Get("arg") == "") != (f.Type.Kind() == reflect.Bool) {
			t.Errorf("%s: arg %q", f.Name, f.Tag.Get("arg"))
		}
	}
}

func TestParseConfig(t *testing.T) {
	c, err := ParseConfig([]byte("model: m.onnx\nepochs: 3\nthaw: [all]\ncache_budget: 1GB\n"))
	must(t, err)
	if c.Model != "m.onnx" || c.Epochs != 3 || c.Thaw[0] != "all" || c.Optimizer != "adamw" || c.CacheBudget != 1e9 {
		t.Errorf("%+v", c)
	}
	if c, err = ParseConfig(nil); err != nil || !reflect.DeepEqual(c, DefaultConfig()) {
		t.Errorf("empty file: %+v, %v", c, err)
	}
	for in, want := range map[string]string{
		"lr-schedule: cosine\n": `no option "lr-schedule", did you mean "lr_schedule"?`,
		"epoch: 3\n":            `did you mean "epochs"?`,
		"zzzzzzzzz: 3\n":        `no option "zzzzzzzzz"`,
		"epochs: many\n":        "cannot unmarshal",
		"model: [\n":            "sequence",
		"- a\n":                 "mapping is expected",
		"lr: 1\nlr: 2\n":        "already defined",
		"cache_budget: lots\n":  "is not a size",
	} {
		_, err := ParseConfig([]byte(in))
		wantError(t, err, want)
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error of several lines: %v", in, err)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	good := goodConfig()
	must(t, good.Validate())
	for _, head := range []string{"linear", "keep", "mlp:128"} {
		c := goodConfig()
		c.Head = head
		must(t, c.Validate())
	}
	minus := -1.0
	for want, change := range map[string]func(*Config){
		"model: ":           func(c *Config) { c.Model = "" },
		"data: ":            func(c *Config) { c.Data = "" },
		"optimizer: ":       func(c *Config) { c.Optimizer = "adam" },
		"task: ":            func(c *Config) { c.Task = "guess" },
		"batchnorm: ":       func(c *Config) { c.BatchNorm = "train" },
		"pool: ":            func(c *Config) { c.Pool = "sum" },
		"lr_schedule: ":     func(c *Config) { c.LRSchedule = "linear" },
		"class_weights: ":   func(c *Config) { c.ClassWeights = "even" },
		"keep: ":            func(c *Config) { c.Keep = "first" },
		"cache: ":           func(c *Config) { c.Cache = "on" },
		"epochs: ":          func(c *Config) { c.Epochs = -1 },
		"batch: ":           func(c *Config) { c.Batch = -1 },
		"accumulate: ":      func(c *Config) { c.Accumulate = 0 },
		"lr: ":              func(c *Config) { c.LR = math.NaN() },
		"warmup: 1.5":       func(c *Config) { c.Warmup = 1.5 },
		"warmup: -1":        func(c *Config) { c.Warmup = -1 },
		"momentum: 1 ":      func(c *Config) { c.Optimizer, c.Momentum = "sgd", 1 },
		"momentum: only":    func(c *Config) { c.Momentum = 0.9 },
		"nesterov: ":        func(c *Config) { c.Optimizer, c.Nesterov = "sgd", true },
		"label_smoothing: ": func(c *Config) { c.LabelSmoothing = 1 },
		"clip: ":            func(c *Config) { c.Clip = math.Inf(1) },
		"patience: ":        func(c *Config) { c.Patience = -1 },
		"threads: ":         func(c *Config) { c.Threads = -1 },
		"head: ":            func(c *Config) { c.Head = "mlp:0" },
		"adapter: ":         func(c *Config) { c.Adapter = "lora:x" },
		"adapter_targets: ": func(c *Config) { c.AdapterTargets = []string{"all"} },
		"adapter_alpha: ":   func(c *Config) { c.AdapterAlpha = 2 },
		"adapter_merge: ":   func(c *Config) { c.AdapterMerge = true },
		"attach: ":          func(c *Config) { c.Head, c.Attach = "keep", []string{"x"} },
		"weight_decay: ":    func(c *Config) { c.WeightDecay = &minus },
	} {
		c := goodConfig()
		change(&c)
		wantError(t, c.Validate(), want)
	}
}

func TestConfigBind(t *testing.T) {
	c := goodConfig()
	c.Thaw, c.Attach = []string{"from", "file"}, []string{"kept"}
	fs := flag.NewFlagSet("fit", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	c.Bind(fs)
	must(t, fs.Parse([]string{"--thaw", "a", "--thaw", "b", "--weight-decay", "0", "--lr-schedule=step", "--seed", "9", "--auto", "--cache-budget", "64KiB"}))
	if !reflect.DeepEqual(c.Thaw, []string{"a", "b"}) || c.Attach[0] != "kept" || c.WeightDecay == nil || *c.WeightDecay != 0 ||
		c.LRSchedule != "step" || c.Seed != 9 || !c.Auto || c.CacheBudget != 65536 || c.Model != "model.onnx" {
		t.Errorf("%+v", c)
	}
	wantError(t, fs.Parse([]string{"--weight-decay", "x"}), "not a number")
	wantError(t, fs.Parse([]string{"--cache-budget", "x"}), "not a size")
}

func TestDecay(t *testing.T) {
	half := 0.5
	for _, tt := range []struct {
		c    Config
		want float64
		all  bool
	}{
		{Config{Optimizer: "adamw"}, 0.01, false},
		{Config{Optimizer: "sgd"}, 0, false},
		{Config{Optimizer: "sgd", WeightDecay: &half}, 0.5, true},
	} {
		if got, all := tt.c.Decay(); got != tt.want || all != tt.all {
			t.Errorf("%s: %g %v, want %g %v", tt.c.Optimizer, got, all, tt.want, tt.all)
		}
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[string]option.Size{
		"0": 0, "512": 512, "64k": 65536, "1.5 GiB": 3 << 29, "2GB": 2e9, "10b": 10, "1TiB": 1 << 40,
	} {
		var s, back option.Size
		must(t, s.Set(in))
		if s != want {
			t.Errorf("%q is %d, want %d", in, s, want)
		}
		must(t, back.Set(s.String()))
		if back != s {
			t.Errorf("%d is written %q", s, s)
		}
	}
	for _, in := range []string{"", "GB", "-1", "1e30", "NaN", "1XB"} {
		wantError(t, new(option.Size).Set(in), "is not a size")
	}
}
