package config

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/adapter"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/split"
)

var headForm = regexp.MustCompile(`^(linear|keep|mlp:[1-9][0-9]{0,6}(,[1-9][0-9]{0,6}){0,3})$`)

// Validate returns a one-line error that names the first invalid option. It looks only at the
// options, not at files.
func (c *Config) Validate() error {
	for _, o := range []struct{ key, value string }{
		{"task", cmp.Or(c.Task, data.DefaultTask)},
		{"batchnorm", c.BatchNorm},
		{"start", c.Start},
		{"pool", c.Pool},
		{"head_activation", c.HeadActivation},
		{"optimizer", c.Optimizer},
		{"lr_schedule", c.LRSchedule},
		{"calibrate", c.Calibrate},
		{"class_weights", cmp.Or(c.ClassWeights, "none")},
		{"keep", c.Keep},
		{"cache", c.Cache},
		{"cache_precision", c.CachePrecision},
	} {
		if words := Values(o.key); !slices.Contains(words, o.value) {
			return option.Errorf(o.key, "%q is none of %s", o.value, strings.Join(words, ", "))
		}
	}
	if _, err := feed.ReadLayout(c.Layout); err != nil {
		return option.Errorf("layout", "%w", err)
	}
	if _, _, err := feed.ReadSize(c.Size); err != nil {
		return option.Errorf("size", "%w", err)
	}
	for _, o := range []struct {
		key       string
		value, lo float64
		hi        float64 // exclusive upper bound
	}{
		{"epochs", float64(c.Epochs), 0, math.Inf(1)},
		{"batch", float64(c.Batch), 0, math.Inf(1)},
		{"accumulate", float64(c.Accumulate), 1, math.Inf(1)},
		{"lr", c.LR, 0, math.Inf(1)},
		{"warmup", c.Warmup, 0, math.Inf(1)},
		{"momentum", c.Momentum, 0, 1},
		{"label_smoothing", c.LabelSmoothing, 0, 1},
		{"head_dropout", c.HeadDropout, 0, 1},
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
		return option.Errorf("head", "%q is none of %s", c.Head, strings.Join(Values("head"), ", "))
	case c.validateAdapter() != nil:
		return c.validateAdapter()
	case c.Head == "keep" && len(c.Attach) > 0:
		return option.Errorf("attach", "with head keep the model's own classifier reads what it always read")
	case c.Head == "keep" && c.Cuts():
		return option.Errorf("cut", "head keep is the model's own classifier, which is behind every cut; give another head")
	case len(c.Attach) > 0 && c.Cuts():
		return option.Errorf("cut", "option attach says too what the head reads, and leaves out what is behind it; give one of the two")
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

// validateAdapter errors on invalid options of adapters. It looks only at the options.
func (c *Config) validateAdapter() error {
	if c.Adapter == "" {
		for _, o := range []struct {
			key   string
			given bool
		}{{"adapter_targets", len(c.AdapterTargets) > 0}, {"adapter_alpha", c.AdapterAlpha != 0}, {"adapter_merge", c.AdapterMerge}} {
			if o.given {
				return option.Errorf(o.key, "it needs option adapter, as lora:4")
			}
		}
		return nil
	}
	spec, err := adapter.Parse(c.Adapter)
	switch {
	case err != nil:
		return option.Errorf("adapter", "%w", err)
	case spec.Folder != "" && c.AdapterAlpha != 0:
		return option.Errorf("adapter_alpha", "the adapter in %s has a strength of its own", spec.Folder)
	case spec.Folder != "" && len(c.AdapterTargets) > 0:
		return option.Errorf("adapter_targets", "the adapter in %s says which layers it is of", spec.Folder)
	case c.AdapterAlpha != 0 && !spec.Has(adapter.LoRA):
		return option.Errorf("adapter_alpha", "it is the strength of lora; %s has none", c.Adapter)
	}
	return nil
}

// Cuts reports whether blocks at the end of the model are left out.
func (c *Config) Cuts() bool { return c.Cut != "" && c.Cut != split.None }

// validateRegularisation errors on invalid options of learning rates and regularisation. It looks
// only at the options.
func (c *Config) validateRegularisation() error {
	for _, text := range c.LRMult {
		if err := split.CheckMultiplier(text); err != nil {
			return err
		}
	}
	if c.Average != "" {
		if _, err := optim.NewAverage(c.Average, 1); err != nil {
			return err
		}
	}
	switch {
	case !(c.LayerDecay >= 0 && c.LayerDecay <= 1):
		return option.Errorf("layer_decay", "%g is not above 0 and at most 1", c.LayerDecay)
	case c.Rates != "" && c.Rates != AutoRGN:
		return option.Errorf("rates", "%q is none of %s", c.Rates, AutoRGN)
	case c.Rates != "" && c.LayerDecay != 0:
		return option.Errorf("layer_decay", "rates %s sets the rate of every layer by itself; give one of the two", c.Rates)
	case c.Rates != "" && c.Schedule != "":
		return option.Errorf("rates", "%s measures what trains from the start, and schedule %s changes it; give one of the two", c.Rates, c.Schedule)
	case !(c.L2SP >= 0) || math.IsInf(c.L2SP, 0):
		return option.Errorf("l2_sp", "%g is not a number from 0", c.L2SP)
	case c.L2SP != 0 && c.WeightDecay != nil:
		return option.Errorf("l2_sp", "it takes the place of weight_decay; give one of the two")
	case !(c.Mixup == 0 || c.Mixup >= 0.01 && c.Mixup <= 100):
		return option.Errorf("mixup", "%g is neither 0 nor from 0.01 to 100", c.Mixup)
	case c.WiseFT != nil && !(*c.WiseFT > 0 && *c.WiseFT <= 1):
		return option.Errorf("wise_ft", "%g is not above 0, the pretrained weights, and at most 1, the trained ones", *c.WiseFT)
	case c.Average == "swa" && c.Patience > 0:
		return option.Errorf("patience", "average swa takes the last quarter of the epochs, which patience would leave out; give one of the two")
	case c.WiseFT != nil && *c.WiseFT != 1 && c.Adapter != "":
		return option.Errorf("wise_ft", "adapter %s leaves the pretrained weights as they are, so there is nothing to go back to", c.Adapter)
	}
	return nil
}
