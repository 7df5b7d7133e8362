package permafrost

import (
	"flag"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/run"
)

// Config holds every option of a fit. Start from DefaultConfig: the zero value of a Config is not a
// set of defaults. Where a number says "0: chosen", the fit chooses it by the model, the data and
// the plan, and the run's run.yaml records the choice.
//
// Option names in errors, in run.yaml and in the JSON of events are the field names in lower case
// with underscores, as in lr_mult for LRMult.
type Config struct {
	// Model is the path of the pretrained ONNX model.
	Model string
	// Data is the path of the training examples: a folder of class folders, or a table. It may be
	// empty where WithData gives the examples.
	Data string
	// Val is the path of the validation examples. Default: DATA/val where it exists, else a
	// stratified tenth of the training examples is held out.
	Val string
	// Out is the run folder to write. It must not hold another run. Empty: nothing is written.
	Out string

	// Task is classify, multilabel, regress, lm or ctc. Default: found from the data.
	Task string
	// TextColumn is the column of a table that holds the text. Default: text.
	TextColumn string
	// LabelColumn is the column of a table that holds the label. Default: label.
	LabelColumn string
	// Preprocess says how pictures and sounds become inputs: a preprocessor file, or the preset
	// imagenet, inception, unit or raw. Default: what the model file carries, else the file beside
	// it.
	Preprocess string
	// Tokenizer is a tokenizer file. Default: the one beside the model.
	Tokenizer string
	// MaxLength is the largest number of tokens of a text that the model gets. 0: what it takes.
	MaxLength int
	// Input fixes inputs of the model that are the same for every example: NAME=VALUE with a number,
	// true or false, NAME=zeros, or NAME=FILE with a tensor (.pb, .safetensors). Default: zeros for
	// states, nothing in caches.
	Input []string
	// Shape gives open axes their sizes: INPUT=SIZES those of an input, and the axes of the same
	// names of other inputs, as input_ids=1,128; AXIS=SIZE the axes of a name, as sequence=128. The
	// axis that counts examples stays open.
	Shape []string
	// Augment describes random changes of the training examples. Default: none.
	Augment string

	// Thaw selects the weights to train. Default: head. A selector is all, none or head; a glob
	// over weight names, layers and node paths (layer3.*, /layers.4/*); re:REGEX; kind:bias, norm,
	// shift, weight or embedding; first:N or last:N blocks; depth:60%-100%; or one of these behind
	// a ! to take away. Less than a weight: rows:NAME[0:8], channels:NAME[0:8], fisher:0.5% and
	// magnitude:0.5%. Entries, and parts of an entry between commas, are applied in order.
	Thaw []string
	// Freeze selects weights to take away from those thawed. Default: none.
	Freeze []string
	// Schedule changes during the run which weights train: gradual, lpft, autofreeze, freezeout,
	// egeria, slimfit, lisa:K or badam, with arguments behind a colon. It chooses among what Thaw
	// names, by default among all weights. Default: empty, no change.
	Schedule string
	// Auto lets Fit choose what to thaw by trying plans on parts of the training examples.
	Auto bool
	// Budget is the most time that Auto tries plans for. 0: limited by counted work, about a
	// quarter of trying them all.
	Budget time.Duration
	// BatchNorm is auto or frozen. With auto (default), a batch normalisation with a thawed scale
	// or bias uses batch statistics and moves its running ones. With frozen, it never does.
	BatchNorm string
	// Adapter freezes everything but the head and what Thaw names, and trains additions: lora:R (a
	// product of rank R) or ia3. Default: empty, none.
	Adapter string

	// AdapterTargets selects the layers that get an adapter. Default: linear layers; convolutions
	// where the model has no attention.
	AdapterTargets []string
	// AdapterAlpha is the strength of lora: its product is scaled by AdapterAlpha/R. 0: R, a scale
	// of 1.
	AdapterAlpha float64
	// AdapterMerge adds the adapters to the weights when the model is written.
	AdapterMerge bool

	// Head is linear (default), mlp:N with N hidden units, or keep for the model's own classifier.
	Head string
	// Attach names the values that the head reads; several are concatenated after pooling. Default:
	// what the model's last classifier reads, else its last output.
	Attach []string
	// Start says what a fresh head starts from: none (default), or probe for a head trained first
	// while all else is frozen.
	Start string
	// Pool says how a map or a sequence becomes one vector: auto (default), mean, cls, last or max.
	Pool string

	// Epochs is the number of passes over the training examples. 0: chosen.
	Epochs int
	// Batch is the number of examples a step. 0: chosen.
	Batch int
	// Accumulate is the number of batches whose gradients are averaged before a step. Default: 1.
	Accumulate int
	// Optimizer is adamw (default) or sgd, by PyTorch's update rules.
	Optimizer string
	// LR is the highest learning rate of the run. 0: chosen.
	LR float64
	// LRSchedule is cosine (default), constant, or step: a tenth after each third of the run.
	LRSchedule string
	// Warmup is the length of the rise of the learning rate at the start: below 1 a fraction of all
	// steps, else a number of steps. Default: 0.
	Warmup float64
	// Momentum is the momentum of sgd, from 0 to below 1. Default: 0.
	Momentum float64
	// Nesterov takes Nesterov's form of momentum.
	Nesterov bool
	// WeightDecay is the decay of every thawed weight. Nil: 0.01 for adamw, sparing norms and
	// biases; 0 for sgd.
	WeightDecay *float64
	// LabelSmoothing is the probability that is spread over all classes, from 0 (default) to below
	// 1.
	LabelSmoothing float64
	// ClassWeights is none (default) or balanced: rare classes count more.
	ClassWeights string
	// LRMult are entries SELECTOR=X: the weights that the selector names train at X times the
	// learning rate. Where several name a weight, the last one counts.
	LRMult []string
	// LayerDecay multiplies the learning rate once for each block further from the head. 0
	// (default): all blocks have the same rate.
	LayerDecay float64
	// Rates is empty (default) or auto-rgn: the learning rate of each weight is in proportion to
	// its relative gradient norm.
	Rates string
	// L2SP is the decay of thawed weights towards their pretrained values and of a new head towards
	// 0, in place of weight decay. Default: 0.
	L2SP float64
	// Average keeps an average of the thawed weights: ema:D over the steps with decay D, or swa
	// over the last quarter of the epochs. Default: empty, none.
	Average string
	// WiseFT writes weights that lie this far from the pretrained (0) towards the trained ones (1).
	// A new head stays as trained. Nil: the trained ones.
	WiseFT *float64
	// Mixup mixes pairs of examples where the frozen part ends, with shares drawn from Beta(Mixup,
	// Mixup). 0 (default): no mixing.
	Mixup float64

	// Clip is the largest norm of the gradient. 0 (default): any.
	Clip float64
	// Patience stops the run after this many epochs without a better one. 0 (default): never.
	Patience int
	// Keep says which weights are written: those of the best epoch by validation (best, default),
	// or last.
	Keep string

	// Seed is the seed of everything random. Default: 1.
	Seed uint64
	// Threads is the number of threads to use. 0: one a core. Results do not depend on it.
	Threads int
	// Cache says where frozen activations are kept: auto (default), off, ram or disk.
	Cache string
	// CacheBudget is the most bytes that the cache may take. 0: chosen.
	CacheBudget int64
	// Memory is the most bytes for the activations and gradients of a training step; values that
	// are cheap to compute are computed again instead of kept. 0 (default): keep everything.
	Memory int64

	// CachePrecision is how frozen activations are kept: float32 (default), or float16 for half the
	// size.
	CachePrecision string
	// CacheVariants keeps this many augmented variants of each example and uses them in turn. 0
	// (default): new ones every epoch, nothing kept.
	CacheVariants int
}

// DefaultConfig holds the value that each option has when it is not given.
func DefaultConfig() Config { return Config(run.DefaultConfig()) }

// LoadConfig reads a run.yaml. Options that it lacks have their defaults; a key that is no option
// is an error that names the nearest one.
func LoadConfig(path string) (Config, error) {
	c, err := run.LoadConfig(path)
	return Config(c), badInput(err)
}

// LoadRun reads the options of the run in a folder, for Resume. Out is set to the folder.
func LoadRun(dir string) (Config, error) {
	_, c, err := run.OpenRunDir(dir)
	if err != nil {
		return Config{}, badInput(err)
	}
	c.Out = dir
	return Config(*c), nil
}

// Validate errors on the first option that cannot be meant. It looks at the options alone, not at
// files. The error is an *OptionError.
func (c *Config) Validate() error { return badInput((*run.Config)(c).Validate()) }

// YAML is the form of c that run.yaml holds and LoadConfig reads.
func (c *Config) YAML() ([]byte, error) { return (*run.Config)(c).YAML() }

// MarshalJSON writes the options under the keys of run.yaml.
func (c Config) MarshalJSON() ([]byte, error) { return run.Config(c).MarshalJSON() }

// UnmarshalJSON reads what MarshalJSON wrote. Options that the object lacks stay as they are.
func (c *Config) UnmarshalJSON(b []byte) error { return (*run.Config)(c).UnmarshalJSON(b) }

// Bind defines one command line flag for every option on fs, as the permafrost command has them:
// the option's name with dashes for underscores. The value that an option has becomes the flag's
// default. A flag of a list replaces the list where it is first given and adds to it after that.
// Sizes are written as 512MiB or 2GB.
func (c *Config) Bind(fs *flag.FlagSet) { (*run.Config)(c).Bind(fs) }

// OptionValues are the words that an option takes, by its name in run.yaml; a capital behind a
// colon stands for a number, as in mlp:N. It is nil for an option that takes other than words.
func OptionValues(name string) []string { return slices.Clone(run.Values(name)) }
