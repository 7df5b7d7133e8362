package run

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Config holds every option of a fit. Its YAML form is run.yaml; its command-line form is one flag a
// field, with dashes for underscores (Bind). The JSON keys are the YAML ones. For a number that may
// be chosen for the user, 0 asks for that; run.yaml then records what was chosen.
type Config struct {
	Model string `yaml:"model" json:"model" arg:"FILE" help:"pretrained ONNX model"`
	Data  string `yaml:"data" json:"data" arg:"PATH" help:"training examples: a folder of class folders, or a table"`
	Val   string `yaml:"val" json:"val" arg:"PATH" help:"validation examples (default: DATA/val, else a held-out tenth)"`
	Out   string `yaml:"out" json:"out" arg:"DIR" help:"run directory to write"`

	Task        string `yaml:"task" json:"task" arg:"KIND" help:"classify, multilabel, regress, lm or ctc (default: found from the data)"`
	TextColumn  string `yaml:"text_column" json:"text_column" arg:"NAME" help:"column of a table that holds the text"`
	LabelColumn string `yaml:"label_column" json:"label_column" arg:"NAME" help:"column of a table that holds the label"`
	Preprocess  string `yaml:"preprocess" json:"preprocess" arg:"P" help:"preprocessor file, or imagenet, inception, unit, raw; tensors for files of them"`
	Tokenizer   string `yaml:"tokenizer" json:"tokenizer" arg:"FILE" help:"tokenizer file (default: beside the model)"`
	MaxLength   int    `yaml:"max_length" json:"max_length" arg:"N" help:"tokens of a text that the model gets at most (0: what it takes)"`
	Augment     string `yaml:"augment" json:"augment" arg:"SPEC" help:"random changes of the training examples, or none"`

	Thaw      []string      `yaml:"thaw" json:"thaw" arg:"S" help:"weights to train, as selectors; may be given again (default: head)"`
	Freeze    []string      `yaml:"freeze" json:"freeze" arg:"S" help:"weights to take away from those thawed; may be given again"`
	Schedule  string        `yaml:"schedule" json:"schedule" arg:"NAME[:ARG]" help:"what changes during the run what trains: gradual, lpft, autofreeze, freezeout, egeria, slimfit, lisa:K or badam; of what --thaw names, by default of everything"`
	Auto      bool          `yaml:"auto" json:"auto" help:"let permafrost choose what to thaw"`
	Budget    time.Duration `yaml:"budget" json:"budget" arg:"TIME" help:"most time that --auto tries plans for, as 90s or 10m (0: by the work: about a quarter of trying them all)"`
	BatchNorm string        `yaml:"batchnorm" json:"batchnorm" arg:"KIND" help:"auto: thawed layers use batch statistics and move theirs; frozen: never"`
	Adapter   string        `yaml:"adapter" json:"adapter" arg:"KIND" help:"freeze everything and train additions: lora:R or ia3"`

	AdapterTargets []string `yaml:"adapter_targets" json:"adapter_targets" arg:"S" help:"layers that get an adapter, as selectors; may be given again (default: linear layers; convolutions where there is no attention)"`
	AdapterAlpha   float64  `yaml:"adapter_alpha" json:"adapter_alpha" arg:"X" help:"strength of lora: its product is scaled by X/R (0: R)"`
	AdapterMerge   bool     `yaml:"adapter_merge" json:"adapter_merge" help:"add adapters to the weights when the model is written"`

	Head   string   `yaml:"head" json:"head" arg:"KIND" help:"linear, mlp:N or keep"`
	Attach []string `yaml:"attach" json:"attach" arg:"VALUE" help:"value that the head reads; may be given again"`
	Start  string   `yaml:"start" json:"start" arg:"KIND" help:"what a fresh head starts from: none, or probe: a head trained first while all else is frozen"`
	Pool   string   `yaml:"pool" json:"pool" arg:"KIND" help:"how a map or sequence becomes one vector: auto, mean, cls, last or max"`

	Epochs         int      `yaml:"epochs" json:"epochs" arg:"N" help:"passes over the training examples (0: chosen)"`
	Batch          int      `yaml:"batch" json:"batch" arg:"N" help:"examples a step (0: chosen)"`
	Accumulate     int      `yaml:"accumulate" json:"accumulate" arg:"N" help:"batches whose gradients are averaged before a step"`
	Optimizer      string   `yaml:"optimizer" json:"optimizer" arg:"KIND" help:"adamw or sgd, by PyTorch's rules"`
	LR             float64  `yaml:"lr" json:"lr" arg:"X" help:"highest learning rate (0: chosen)"`
	LRSchedule     string   `yaml:"lr_schedule" json:"lr_schedule" arg:"KIND" help:"cosine, constant or step (a tenth after each third of the run)"`
	Warmup         float64  `yaml:"warmup" json:"warmup" arg:"X" help:"rising rate at the start: below 1 a fraction of all steps, else a number of steps"`
	Momentum       float64  `yaml:"momentum" json:"momentum" arg:"X" help:"momentum of sgd"`
	Nesterov       bool     `yaml:"nesterov" json:"nesterov" help:"Nesterov's form of momentum"`
	WeightDecay    *float64 `yaml:"weight_decay" json:"weight_decay" arg:"X" help:"decay of every thawed weight (default: 0.01 for adamw, sparing norms and biases; 0 for sgd)"`
	LabelSmoothing float64  `yaml:"label_smoothing" json:"label_smoothing" arg:"X" help:"probability spread over all classes"`
	ClassWeights   string   `yaml:"class_weights" json:"class_weights" arg:"KIND" help:"none, or balanced: rare classes count more"`
	LRMult         []string `yaml:"lr_mult" json:"lr_mult" arg:"SELECTOR=X" help:"X times the learning rate for the weights that a selector names; may be given again, the last one counts"`
	LayerDecay     float64  `yaml:"layer_decay" json:"layer_decay" arg:"X" help:"X times the learning rate for each block further from the head (0: the same for all)"`
	Rates          string   `yaml:"rates" json:"rates" arg:"KIND" help:"auto-rgn: the learning rate of each weight in proportion to its relative gradient"`
	L2SP           float64  `yaml:"l2_sp" json:"l2_sp" arg:"X" help:"decay of thawed weights towards their pretrained values, of a new head towards 0, in place of weight decay"`
	Average        string   `yaml:"average" json:"average" arg:"KIND" help:"keep an average of the thawed weights: ema:D over the steps, swa over the last quarter of the epochs"`
	WiseFT         *float64 `yaml:"wise_ft" json:"wise_ft" arg:"A" help:"write the weights this far from the pretrained (0) towards the trained ones (1); a new head stays as trained"`
	Mixup          float64  `yaml:"mixup" json:"mixup" arg:"A" help:"mix pairs of examples where the frozen part ends, with shares drawn from Beta(A,A)"`

	Clip     float64 `yaml:"clip" json:"clip" arg:"X" help:"largest norm of the gradient (0: any)"`
	Patience int     `yaml:"patience" json:"patience" arg:"N" help:"stop after N epochs without a better one (0: never)"`
	Keep     string  `yaml:"keep" json:"keep" arg:"KIND" help:"weights that are written: of the best epoch or the last"`

	Seed        uint64 `yaml:"seed" json:"seed" arg:"N" help:"seed of everything random"`
	Threads     int    `yaml:"threads" json:"threads" arg:"N" help:"threads to use (0: one a core); results do not depend on it"`
	Cache       string `yaml:"cache" json:"cache" arg:"KIND" help:"where frozen activations are kept: auto, off, ram or disk"`
	CacheBudget int64  `yaml:"cache_budget" json:"cache_budget" arg:"SIZE" help:"most bytes the cache may take, as 2GB or 512MiB (0: chosen)"`
	Memory      int64  `yaml:"memory" json:"memory" arg:"SIZE" help:"most bytes for the activations and gradients of a training step: what is cheap is computed again instead of kept (0: keep everything)"`

	CachePrecision string `yaml:"cache_precision" json:"cache_precision" arg:"TYPE" help:"how frozen activations are kept: float32, or float16 for half the size"`
	CacheVariants  int    `yaml:"cache_variants" json:"cache_variants" arg:"K" help:"keep K augmented variants of each example and use them in turn (0: new ones every epoch, nothing kept)"`
}

// DefaultConfig holds the value that each option has when it is not given.
func DefaultConfig() Config {
	return Config{
		Augment: "none", Thaw: []string{"head"}, Freeze: []string{}, BatchNorm: "auto", AdapterTargets: []string{},
		Head: "linear", Attach: []string{}, Start: "none", Pool: "auto",
		Accumulate: 1, Optimizer: "adamw", LRSchedule: "cosine", ClassWeights: "none", Keep: "best", LRMult: []string{},
		Seed: 1, Cache: "auto", CachePrecision: "float32",
	}
}

// Decay is the weight decay, and whether it touches every thawed weight rather than sparing norms
// and biases: it does exactly when the user gave the number. With l2_sp it is that, towards the pretrained values.
func (c *Config) Decay() (decay float64, everything bool) {
	switch {
	case c.L2SP != 0:
		return c.L2SP, true
	case c.WeightDecay != nil:
		return *c.WeightDecay, true
	case c.Optimizer == "adamw":
		return 0.01, false
	}
	return 0, false
}

// NewOptimizer returns the optimiser that the options describe, without parameters.
func (c *Config) NewOptimizer() *optim.Optimizer {
	decay, _ := c.Decay()
	if c.Optimizer == "sgd" {
		return optim.NewSGD(optim.SGD{Momentum: c.Momentum, Nesterov: c.Nesterov, WeightDecay: decay})
	}
	return optim.NewAdamW(optim.AdamW{WeightDecay: decay})
}

// LRs returns the schedule of the learning rate over a run of steps optimiser steps.
func (c *Config) LRs(steps int) optim.LRSchedule {
	return optim.LRSchedule{Kind: c.LRSchedule, Base: c.LR, Steps: steps, Warmup: c.Warmup}
}

var (
	headForm    = regexp.MustCompile(`^(linear|keep|mlp:[1-9][0-9]{0,6})$`)
	adapterForm = regexp.MustCompile(`^(|ia3|lora:[1-9][0-9]{0,4})$`)
)

// Validate errors on the first option that cannot be meant, in one line that names it. It looks at
// the options alone, not at files.
func (c *Config) Validate() error {
	for _, o := range []struct {
		key, value string
		allowed    []string
	}{
		{"task", c.Task, append([]string{""}, task.Names()...)},
		{"batchnorm", c.BatchNorm, []string{"auto", "frozen"}},
		{"start", c.Start, []string{"none", "probe"}},
		{"pool", c.Pool, []string{"auto", "mean", "cls", "last", "max"}},
		{"optimizer", c.Optimizer, []string{"adamw", "sgd"}},
		{"lr_schedule", c.LRSchedule, []string{"cosine", "constant", "step"}},
		{"class_weights", c.ClassWeights, []string{"none", "balanced"}},
		{"keep", c.Keep, []string{"best", "last"}},
		{"cache", c.Cache, []string{"auto", "off", "ram", "disk"}},
		{"cache_precision", c.CachePrecision, []string{"float32", "float16"}},
	} {
		if !slices.Contains(o.allowed, o.value) {
			return option.Errorf(o.key, "%q is none of %s", o.value, strings.TrimPrefix(strings.Join(o.allowed, ", "), ", "))
		}
	}
	for _, o := range []struct {
		key       string
		value, lo float64
		hi        float64 // not allowed itself
	}{
		{"epochs", float64(c.Epochs), 0, math.Inf(1)},
		{"batch", float64(c.Batch), 0, math.Inf(1)},
		{"accumulate", float64(c.Accumulate), 1, math.Inf(1)},
		{"lr", c.LR, 0, math.Inf(1)},
		{"warmup", c.Warmup, 0, math.Inf(1)},
		{"momentum", c.Momentum, 0, 1},
		{"label_smoothing", c.LabelSmoothing, 0, 1},
		{"clip", c.Clip, 0, math.Inf(1)},
		{"patience", float64(c.Patience), 0, math.Inf(1)},
		{"max_length", float64(c.MaxLength), 0, 1 << 20},
		{"adapter_alpha", c.AdapterAlpha, 0, math.Inf(1)},
		{"threads", float64(c.Threads), 0, math.Inf(1)},
		{"cache_budget", float64(c.CacheBudget), 0, math.Inf(1)},
		{"cache_variants", float64(c.CacheVariants), 0, 1e6},
	} {
		if !(o.value >= o.lo && o.value < o.hi) {
			if math.IsInf(o.hi, 1) {
				return option.Errorf(o.key, "%g is not a number from %g", o.value, o.lo)
			}
			return option.Errorf(o.key, "%g is not from %g to below %g", o.value, o.lo, o.hi)
		}
	}
	decay, _ := c.Decay()
	switch {
	case c.Model == "":
		return option.Errorf("model", "name an ONNX file")
	case c.Data == "":
		return option.Errorf("data", "name a folder of class folders or a table")
	case c.checkSchedule() != nil:
		return c.checkSchedule()
	case c.validateRegularisation() != nil:
		return c.validateRegularisation()
	case !headForm.MatchString(c.Head):
		return option.Errorf("head", "%q is none of linear, mlp:N, keep", c.Head)
	case !adapterForm.MatchString(c.Adapter):
		return option.Errorf("adapter", "%q is none of lora:R, ia3", c.Adapter)
	case c.Head == "keep" && len(c.Attach) > 0:
		return option.Errorf("attach", "with head keep the model's own classifier reads what it always read")
	case !(decay >= 0) || math.IsInf(decay, 0):
		return option.Errorf("weight_decay", "%g is not a number from 0", decay)
	case c.Budget < 0:
		return option.Errorf("budget", "%v is no time", c.Budget)
	case c.Budget != 0 && !c.Auto:
		return option.Errorf("budget", "it is for auto; a fit takes as long as its epochs do")
	case c.Momentum != 0 && c.Optimizer != "sgd":
		return option.Errorf("momentum", "only sgd has one; %s has its own averages", c.Optimizer)
	case c.Nesterov && c.Momentum == 0:
		return option.Errorf("nesterov", "needs a momentum above 0")
	case c.Warmup >= 1 && c.Warmup != math.Trunc(c.Warmup):
		return option.Errorf("warmup", "%g is neither a fraction below 1 nor a whole number of steps", c.Warmup)
	}
	return nil
}

// ParseConfig reads the YAML form over the defaults. A key that no option has is an error that names
// the nearest one.
func ParseConfig(b []byte) (Config, error) {
	c := DefaultConfig()
	var keys map[string]any
	if err := yaml.Unmarshal(b, &keys); err != nil {
		return c, oneLine(err)
	}
	known := configKeys()
	unknown := ""
	for k := range keys {
		if !slices.Contains(known, k) && (unknown == "" || k < unknown) {
			unknown = k
		}
	}
	if unknown != "" {
		return c, fmt.Errorf("no option %q%s", unknown, didYouMean(unknown, known))
	}
	if len(keys) == 0 {
		return c, nil // an empty document would set every option to its zero
	}
	size := yaml.CustomUnmarshaler(func(n *int64, b []byte) error { return (*Size)(n).Set(unquoted(b)) })
	if err := yaml.UnmarshalWithOptions(b, &c, size); err != nil {
		return c, oneLine(err)
	}
	return c, nil
}

// LoadConfig reads a run.yaml.
func LoadConfig(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	c, err := ParseConfig(b)
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// YAML is the form of c that run.yaml holds.
func (c *Config) YAML() ([]byte, error) {
	b, err := yaml.MarshalWithOptions(c, yaml.CustomMarshaler(func(n int64) ([]byte, error) { return yaml.Marshal(Size(n)) }))
	if err != nil {
		return nil, err
	}
	return append([]byte("# Every option of this run. permafrost fit --config run.yaml --out DIR does it again.\n"), b...), nil
}

// unquoted is a YAML scalar without the quotes that it may stand in.
func unquoted(b []byte) string { return strings.Trim(strings.TrimSpace(string(b)), `"'`) }

// MarshalJSON writes the options in their order under the keys of run.yaml, sizes in bytes as a Size.
func (c Config) MarshalJSON() ([]byte, error) {
	v := reflect.ValueOf(c)
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range configKeys() {
		option := v.Field(i).Interface()
		if n, ok := option.(int64); ok {
			option = Size(n)
		}
		value, err := json.Marshal(option)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", key, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. Options that the object lacks stay as they are.
func (c *Config) UnmarshalJSON(b []byte) error {
	var options map[string]json.RawMessage
	if err := json.Unmarshal(b, &options); err != nil {
		return err
	}
	v := reflect.ValueOf(c).Elem()
	for i, key := range configKeys() {
		text, ok := options[key]
		if !ok {
			continue
		}
		to := v.Field(i).Addr().Interface()
		if n, ok := to.(*int64); ok {
			to = (*Size)(n)
		}
		if err := json.Unmarshal(text, to); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// configKeys lists the YAML keys in the order of Config.
func configKeys() []string {
	t := reflect.TypeFor[Config]()
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	return keys
}

// oneLine is a YAML error without the excerpt of the file that follows it.
func oneLine(err error) error {
	s, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
	return fmt.Errorf("%s", s)
}

// FeedOptions are the options that say how data are prepared.
func (c *Config) FeedOptions() feed.Options {
	return feed.Options{Preprocess: c.Preprocess, Text: feed.TextOptions{Tokenizer: c.Tokenizer, MaxLength: c.MaxLength}, Table: data.Columns{Text: c.TextColumn, Label: c.LabelColumn}}
}

// NetworkOptions are the options that say how the model becomes a network that trains.
func (c *Config) NetworkOptions() split.Options {
	return split.Options{
		Head: c.Head, Attach: c.Attach, Pool: c.Pool, Thaw: c.Thaw, Freeze: c.Freeze, BatchNorm: c.BatchNorm,
		Adapter: c.Adapter, AdapterAlpha: c.AdapterAlpha, AdapterTargets: c.AdapterTargets, AdapterMerge: c.AdapterMerge,
		LRMult: c.LRMult, LayerDecay: c.LayerDecay, Mixed: c.Mixup > 0, Memory: int(c.Memory), Seed: c.Seed,
	}
}

// KeepOptions are the options that say what is kept at the frontier.
func (c *Config) KeepOptions() keep.Options {
	return keep.Options{Where: c.Cache, Budget: c.CacheBudget, Precision: c.CachePrecision, Variants: c.CacheVariants, Augment: c.Augment, Seed: c.Seed, Model: filepath.Base(c.Model)}
}
