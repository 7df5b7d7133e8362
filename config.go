package permafrost

import (
	"flag"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Config holds every option of a fit. Start from DefaultConfig: the zero value of a Config is not a
// set of defaults. Where a number says "0: chosen", the fit chooses it from the model, the data and
// the plan, and records the choice in the run's run.yaml.
//
// Option names in errors, in run.yaml and in the JSON of events are the field names in lower case
// with underscores, such as lr_mult for LRMult.
type Config struct {
	// Model is the path of the pretrained ONNX model, or hf:OWNER/NAME[@REVISION][:FILE], one of the
	// Hugging Face hub: it is fetched into the cache that huggingface_hub uses, with what lies beside
	// it. Wherever a function takes the path of a model, it takes such a name.
	Model string
	// Data is the path of the training examples: a folder of class folders of pictures, sounds or
	// other files, or a table (CSV, TSV, JSONL, Parquet) of texts, numbers or files. Or it is
	// hf:datasets/OWNER/NAME[@REVISION][:SPLIT], a data set of the Hugging Face hub. It may be empty
	// if WithData gives the examples.
	Data string
	// Val is the path of the validation examples. Default: DATA/val if it exists, else a stratified
	// tenth of the training examples is held out.
	Val string
	// Out is the run folder to write. It must not contain another run. Empty: nothing is written.
	Out string

	// TensorBoard writes an event file for TensorBoard into the run folder, beside events.jsonl.
	TensorBoard bool

	// Extends is the folder of a finished run that this one goes on from, see ExtendRun. Empty: the run
	// begins with the model.
	Extends string

	// Task is classify, multilabel, regress, lm or ctc. Default: derived from the data.
	Task string
	// TextColumn is the column of a table that holds the text. Default: text.
	TextColumn string
	// LabelColumn is the column of a table that holds the label. Default: label; for numbers label,
	// else target.
	LabelColumn string
	// Group says which examples belong together, such as those of one speaker or the pictures of one
	// plant: they are never divided between training examples and held-out ones. It is a column of a
	// table, or for files a regular expression over their paths below the training folder (with
	// slashes), whose one pair of parentheses is around what names the group. Default: only equal
	// examples belong together, and for Auto, advice and a search nearly equal ones.
	Group string
	// Preprocess says how pictures, sounds and vectors become inputs: a preprocessor file, or the
	// preset imagenet, inception, unit or raw; for vectors a file with mean and std, or raw. Default: the settings in the model file, else the file
	// beside it.
	Preprocess string
	// Layout is nchw or nhwc: whether the model's pictures have their channels first or last.
	// Default: found from the model.
	Layout string
	// Size is the height and width of the pictures that the model gets, as 224x320, or 224 for both.
	// Default: what the model takes, else what the preprocessor file says, else 224.
	Size string
	// Tokenizer is a tokenizer file. Default: the one beside the model.
	Tokenizer string
	// MaxLength is the maximum number of tokens of a text. 0: the model's limit.
	MaxLength int
	// Input fixes inputs of the model that are the same for every example: NAME=VALUE with a number,
	// true or false, NAME=zeros, or NAME=FILE with a tensor (.pb, .safetensors). Default: zeros for
	// states, nothing in caches.
	Input []string
	// Shape gives open axes their sizes: INPUT=SIZES those of an input, and the axes of the same
	// names of other inputs, as input_ids=1,128; AXIS=SIZE the axes of a name, as sequence=128. The
	// axis that counts examples stays open.
	Shape []string
	// Augment describes random changes of the training examples. Default: none; crop:0.7,color:0.2
	// where Auto thaws for pictures.
	Augment string

	// Thaw selects the weights to train. Empty, the default, is head; all with a Schedule and no
	// Adapter. A selector is all, none or head; the name
	// of a layer, block, node or weight (layer3), with all below it; a glob over these names
	// (layer3.*, /layers.4/*); re:REGEX; kind:bias, norm, shift, weight or embedding; first:N or last:N blocks; depth:60%-100%; or one of these after a
	// ! to take away. To select only part of a weight: rows:NAME[0:8], channels:NAME[0:8],
	// fisher:0.5% and magnitude:0.5%. Entries, and comma-separated parts of an entry, are applied
	// in order.
	Thaw []string
	// Freeze selects weights to take away from those thawed. Default: none.
	Freeze []string
	// Schedule changes which weights train during the run: gradual, lpft, autofreeze, freezeout,
	// egeria, slimfit, lisa:K or badam, with arguments after a colon. It chooses among the weights
	// of Thaw, by default all. Default: empty, no change.
	Schedule string
	// Auto lets Fit choose what to thaw by trying plans on parts of the training examples.
	Auto bool
	// Budget limits the time for which Auto tries plans. 0: limited by counted work, about a
	// quarter of trying them all.
	Budget time.Duration
	// BatchNorm is auto or frozen. With auto (default), a batch normalisation with a thawed scale
	// or bias uses batch statistics and updates its running ones. With frozen, it never does.
	BatchNorm string
	// Adapter freezes everything except the head and the weights of Thaw, and trains additions:
	// lora:R (a product of rank R) or ia3. By layer, parts are joined by +, each with selectors of
	// its layers: lora:8@last:2+lora:2@layers.0,layers.1. A part none@SELECTORS leaves layers out,
	// and one part without selectors is for all layers that no other names. Or it is peft:FOLDER, a
	// trained adapter of LoRA in the layout of the Python package peft, which trains on; FOLDER may be one
	// of the hub, hf:OWNER/NAME[@REVISION][:FOLDER]. Default: empty, none.
	Adapter string

	// AdapterTargets selects the layers that get an adapter. Default: linear layers; convolutions
	// if the model has no attention.
	AdapterTargets []string
	// AdapterAlpha is the strength of lora: its product is scaled by AdapterAlpha/R. 0: R, which is
	// a scale of 1.
	AdapterAlpha float64
	// AdapterMerge adds the adapters into the weights when the model is written.
	AdapterMerge bool

	// Cut names the last block that is left of the model, as Inspect lists the blocks: what is behind
	// it is left out, also of the tuned file, and the head reads its end. last:N leaves out the last
	// N blocks. Default: none.
	Cut string
	// Skip names residual blocks that are left out, also of the tuned file: what a block reads takes
	// the place of its result. Default: none.
	Skip []string
	// Head is linear (default); mlp:N with N hidden units, mlp:N,M with two hidden layers and so on up
	// to four; or keep for the model's own classifier.
	Head string

	// HeadActivation is the function between the layers of a new head: relu (default), gelu, silu or
	// tanh.
	HeadActivation string
	// HeadDropout is the probability with which each value that the last layer of a new head reads,
	// and each hidden one, is dropped in training, from 0 (default) to below 1.
	HeadDropout float64

	// Attach names the values that the head reads; several are concatenated after pooling. Default:
	// the input of the model's last classifier, else its last output.
	Attach []string
	// Start says how a fresh head starts: none (default), or probe, which first trains the head
	// with everything else frozen.
	Start string
	// Pool says how a map or a sequence is reduced to one vector: auto (default), mean, cls, last
	// or max.
	Pool string

	// Epochs is the number of passes over the training examples. 0: chosen.
	Epochs int
	// Batch is the number of examples per step. 0: chosen.
	Batch int
	// Accumulate is the number of batches whose gradients are averaged for a step. Default: 1.
	Accumulate int
	// Optimizer is adamw (default) or sgd, with PyTorch's update rules.
	Optimizer string
	// LR is the highest learning rate of the run. 0: chosen.
	LR float64
	// LRSchedule is cosine (default), constant, or step: divided by ten after each third of the
	// run.
	LRSchedule string
	// Warmup is the length of the learning-rate warmup at the start: below 1 a fraction of all
	// steps, else a number of steps. Default: 0.
	Warmup float64
	// Momentum is the momentum of sgd, from 0 to below 1. Default: 0.
	Momentum float64
	// Nesterov uses Nesterov momentum.
	Nesterov bool
	// WeightDecay is the decay of every thawed weight. Nil: 0.01 for adamw, except norms and
	// biases; 0 for sgd.
	WeightDecay *float64
	// Calibrate says whether held-out training examples choose the learning rate of a new head, if LR
	// is 0, and the temperature by which to divide a classifier's scores so that their probabilities
	// hold: auto (default) where only a head trains; on also where more does, for the time of one more
	// fit, of four with few examples; or off.
	Calibrate string
	// LabelSmoothing is the probability that is spread over all classes, from 0 (default) to below
	// 1.
	LabelSmoothing float64
	// ClassWeights is none, or balanced, which gives rare classes larger weights. Default: none;
	// balanced where Auto has few examples.
	ClassWeights string
	// LRMult are entries SELECTOR=X: the weights that the selector names train at X times the
	// learning rate. If several name a weight, the last one applies.
	LRMult []string
	// LayerDecay multiplies the learning rate once for each block of distance from the head. 0
	// (default): all blocks have the same rate.
	LayerDecay float64
	// Rates is empty (default) or auto-rgn, which sets each weight's learning rate in proportion to
	// its relative gradient norm.
	Rates string
	// L2SP is the decay of thawed weights towards their pretrained values, and of a new head
	// towards 0. It replaces weight decay. Default: 0.
	L2SP float64
	// Average keeps an average of the thawed weights: ema:D over the steps with decay D, or swa
	// over the last quarter of the epochs. Default: empty, none.
	Average string
	// WiseFT interpolates the written weights between the pretrained (0) and the trained ones (1).
	// A new head stays as trained. Nil: the trained ones.
	WiseFT *float64
	// Mixup mixes pairs of examples at the end of the frozen part, with shares drawn from
	// Beta(Mixup, Mixup). 0 (default): no mixing.
	Mixup float64

	// Clip is the maximum norm of the gradient. 0 (default): no limit.
	Clip float64
	// Patience stops the run after this many epochs without improvement. 0 (default): never.
	Patience int
	// Keep says which weights are written: best (default) for those of the best validation epoch,
	// or last.
	Keep string

	// Seed is the seed of all random numbers. Default: 1.
	Seed uint64
	// Threads is the number of threads to use. 0: one per core. Results do not depend on it.
	Threads int
	// Cache says where frozen activations are kept: auto (default), off, ram or disk.
	Cache string
	// CacheBudget limits the size of the cache in bytes. 0: chosen.
	CacheBudget int64
	// Memory limits the activations and gradients of a training step in bytes; values that are
	// cheap to compute are recomputed instead of kept. 0 (default): keep everything.
	Memory int64

	// CachePrecision is the precision of kept frozen activations: float32 (default), or float16,
	// which halves the size.
	CachePrecision string
	// CacheVariants keeps this many augmented variants of each example and uses them in turn. 0
	// (default): new ones every epoch, nothing kept.
	CacheVariants int
}

// DefaultConfig returns the default value of every option.
func DefaultConfig() Config { return Config(config.DefaultConfig()) }

// LoadConfig reads a run.yaml. Missing options have their defaults. An unknown key is an error that
// suggests the nearest option.
func LoadConfig(path string) (Config, error) {
	c, err := config.LoadConfig(path)
	return Config(c), badInput(err)
}

// LoadRun reads the options of the run in a folder, for Resume. Out is set to the folder. It errors
// with ErrBadInput where the folder holds no run, or a federation.
func LoadRun(dir string) (Config, error) {
	d, c, err := run.OpenRunDir(dir)
	if err == nil {
		err = d.OfFit()
	}
	if err != nil {
		return Config{}, badInput(err)
	}
	c.Out = dir
	return Config(*c), nil
}

// ExtendRun returns the options of a new run that goes on where the finished run in a folder ended,
// for so many more epochs: those of the run, with Extends, Epochs (of both runs) and an empty Out. Fit
// then begins with the run's last weights and the state of its optimiser; the best epoch of both is
// kept. The learning rates begin again and span the added epochs. LR, LRSchedule, Warmup, Clip,
// Patience and Keep may be changed. It errors with ErrBadInput if the run is not over.
func ExtendRun(dir string, epochs int) (Config, error) {
	c, err := LoadRun(dir)
	if err != nil {
		return c, err
	}
	if epochs < 1 {
		return c, badOption("extend", "%d: at least 1 epoch", epochs)
	}
	done, err := run.Finished(dir)
	if err != nil {
		return c, badInput(err)
	}
	c.Extends, c.Epochs, c.Out = dir, done+epochs, ""
	return c, nil
}

// Validate errors on the first invalid option, with an *OptionError. It looks only at the options,
// not at files.
func (c *Config) Validate() error { return badInput((*config.Config)(c).Validate()) }

// YAML returns c in the form of run.yaml, which LoadConfig reads.
func (c *Config) YAML() ([]byte, error) { return (*config.Config)(c).YAML() }

// MarshalJSON writes the options under the keys of run.yaml.
func (c Config) MarshalJSON() ([]byte, error) { return config.Config(c).MarshalJSON() }

// UnmarshalJSON reads what MarshalJSON wrote. Missing options keep their values.
func (c *Config) UnmarshalJSON(b []byte) error { return (*config.Config)(c).UnmarshalJSON(b) }

// Bind defines a command-line flag for every option on fs, like the permafrost command: the
// option's name with dashes for underscores. An option's current value becomes the flag's default.
// A list flag replaces the list when first given, and adds to it after that. Sizes are written as
// 512MiB or 2GB.
func (c *Config) Bind(fs *flag.FlagSet) { (*config.Config)(c).Bind(fs) }

// OptionValues returns the words that an option accepts, by its name in run.yaml. A capital after a
// colon stands for a number, as in mlp:N. It is nil if the option does not take words.
func OptionValues(name string) []string { return slices.Clone(config.Values(name)) }
