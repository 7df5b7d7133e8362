package config

import (
	"cmp"
	"flag"
	"time"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// Config holds every option of a fit. run.yaml is its YAML form; its JSON form uses the same keys.
// On the command line each field is a flag, with dashes for underscores (see Bind). Where a number
// may be chosen for the user, 0 asks for that; run.yaml then records the choice.
type Config struct {
	Model string `yaml:"model" json:"model" arg:"FILE" help:"pretrained ONNX model, or hf:OWNER/NAME[@REVISION][:FILE] of the Hugging Face hub"`
	Data  string `yaml:"data" json:"data" arg:"PATH" help:"training examples: a folder of class folders of images or sounds, a table of texts, numbers or files (CSV, TSV, JSONL, Parquet), or hf:datasets/OWNER/NAME[:SPLIT]"`
	Val   string `yaml:"val" json:"val" arg:"PATH" help:"validation examples (default: DATA/val, else a held-out tenth)"`
	Out   string `yaml:"out" json:"out" arg:"DIR" help:"run directory to write"`

	TensorBoard bool `yaml:"tensorboard" json:"tensorboard" help:"write an event file for TensorBoard into the run directory too"`

	Extends string `yaml:"extends" json:"extends" arg:"DIR" help:"finished run that this one goes on from, see --extend; --epochs counts those of both"`

	Task        string   `yaml:"task" json:"task" arg:"KIND" help:"{} (default: found from the data)"`
	TextColumn  string   `yaml:"text_column" json:"text_column" arg:"NAME" help:"column of a table that holds the text"`
	LabelColumn string   `yaml:"label_column" json:"label_column" arg:"NAME" help:"column of a table that holds the label (default: label; for numbers also target)"`
	Group       string   `yaml:"group" json:"group" arg:"COLUMN|REGEX" help:"examples that belong together, as those of one speaker, and are never divided between training and held-out examples: a column of a table, or for files a regular expression over their paths in --data with one (group)"`
	Preprocess  string   `yaml:"preprocess" json:"preprocess" arg:"P" help:"preprocessor file, or imagenet, inception, unit, raw; tensors for files of them; help preprocess explains"`
	Layout      string   `yaml:"layout" json:"layout" arg:"KIND" help:"axes of the model's pictures: nchw, or nhwc for channels last (default: found from the model)"`
	Size        string   `yaml:"size" json:"size" arg:"HxW" help:"size of the pictures that the model gets, as 224x320 or 224 (default: what it takes, else what the preprocessor file says, else 224)"`
	Tokenizer   string   `yaml:"tokenizer" json:"tokenizer" arg:"FILE" help:"tokenizer file (default: beside the model)"`
	MaxLength   int      `yaml:"max_length" json:"max_length" arg:"N" help:"tokens of a text that the model gets at most (0: what it takes)"`
	Input       []string `yaml:"input" json:"input" arg:"NAME=VALUE" help:"an input of the model that is the same for every example: a number, zeros, or the tensor of a file (.pb, .safetensors); may be given again (default: zeros for states, nothing in caches)"`
	Shape       []string `yaml:"shape" json:"shape" arg:"INPUT=SIZES" help:"sizes of the open axes of an input, and of the axes of the same names, as input_ids=1,128; or of the axes of a name, as sequence=128; may be given again"`
	Augment     string   `yaml:"augment" json:"augment" arg:"SPEC" help:"random changes of the training examples: flip, vflip, crop:A, color:X, rand:N:M of pictures, noise:DB, gain:DB, shift:S of sounds, or none (default: none; crop:0.7,color:0.2 where --auto thaws for pictures); help augment explains"`

	Thaw      []string      `yaml:"thaw" json:"thaw" arg:"S" help:"weights to train, as selectors; may be given again (default: head)"`
	Freeze    []string      `yaml:"freeze" json:"freeze" arg:"S" help:"weights to take away from those thawed; may be given again"`
	Schedule  string        `yaml:"schedule" json:"schedule" arg:"NAME[:ARG]" help:"what changes during the run what trains: {}; of what --thaw names, by default of everything"`
	Auto      bool          `yaml:"auto" json:"auto" help:"let permafrost choose what to thaw"`
	Budget    time.Duration `yaml:"budget" json:"budget" arg:"TIME" help:"most time that --auto tries plans for, as 90s or 10m (0: by the work: about a quarter of trying them all)"`
	BatchNorm string        `yaml:"batchnorm" json:"batchnorm" arg:"KIND" help:"auto: thawed layers use batch statistics and move theirs; frozen: never"`
	Adapter   string        `yaml:"adapter" json:"adapter" arg:"KIND" help:"freeze everything and train additions: {}; by layer: lora:8@last:2+lora:2@first:3; help adapter explains"`

	AdapterTargets []string `yaml:"adapter_targets" json:"adapter_targets" arg:"S" help:"layers that get an adapter, as selectors; may be given again (default: linear layers; convolutions where there is no attention)"`
	AdapterAlpha   float64  `yaml:"adapter_alpha" json:"adapter_alpha" arg:"X" help:"strength of lora: its product is scaled by X/R (0: R)"`
	AdapterMerge   bool     `yaml:"adapter_merge" json:"adapter_merge" help:"add adapters to the weights when the model is written"`

	Cut  string   `yaml:"cut" json:"cut" arg:"BLOCK" help:"last block of the model that is left: what is behind it is left out, and the head reads its end; last:N leaves out the last N blocks, none nothing"`
	Skip []string `yaml:"skip" json:"skip" arg:"BLOCK" help:"residual block that is left out, so that its shortcut alone remains; may be given again; none leaves out nothing"`
	Head string   `yaml:"head" json:"head" arg:"KIND" help:"{}; a number is the width of a hidden layer"`

	HeadActivation string  `yaml:"head_activation" json:"head_activation" arg:"KIND" help:"between the layers of a new head: {}"`
	HeadDropout    float64 `yaml:"head_dropout" json:"head_dropout" arg:"P" help:"probability with which training drops each value that a new head's last layer reads, and each hidden one"`

	Attach []string `yaml:"attach" json:"attach" arg:"VALUE" help:"value that the head reads; may be given again (default: found from the model, and weighed against others on training examples)"`
	Start  string   `yaml:"start" json:"start" arg:"KIND" help:"what a fresh head starts from: none, or probe: a head trained first while all else is frozen"`
	Pool   string   `yaml:"pool" json:"pool" arg:"KIND" help:"how a map or sequence becomes one vector: {}"`

	Epochs         int      `yaml:"epochs" json:"epochs" arg:"N" help:"passes over the training examples (0: chosen)"`
	Batch          int      `yaml:"batch" json:"batch" arg:"N" help:"examples a step (0: chosen)"`
	Accumulate     int      `yaml:"accumulate" json:"accumulate" arg:"N" help:"batches whose gradients are averaged before a step"`
	Optimizer      string   `yaml:"optimizer" json:"optimizer" arg:"KIND" help:"{}, by PyTorch's rules"`
	LR             float64  `yaml:"lr" json:"lr" arg:"X" help:"highest learning rate (0: chosen)"`
	LRSchedule     string   `yaml:"lr_schedule" json:"lr_schedule" arg:"KIND" help:"cosine, constant or step (a tenth after each third of the run)"`
	Warmup         float64  `yaml:"warmup" json:"warmup" arg:"X" help:"rising rate at the start: below 1 a fraction of all steps, else a number of steps"`
	Momentum       float64  `yaml:"momentum" json:"momentum" arg:"X" help:"momentum of sgd"`
	Nesterov       bool     `yaml:"nesterov" json:"nesterov" help:"Nesterov's form of momentum"`
	WeightDecay    *float64 `yaml:"weight_decay" json:"weight_decay" arg:"X" help:"decay of every thawed weight (default: 0.01 for adamw, sparing norms and biases; 0 for sgd)"`
	Calibrate      string   `yaml:"calibrate" json:"calibrate" arg:"KIND" help:"choose by held-out training examples a new head's learning rate, if --lr is not given, and what to divide the scores by so that their probabilities hold: auto where only a head trains; on: always, for the time of one more fit, of four with few examples; or off"`
	LabelSmoothing float64  `yaml:"label_smoothing" json:"label_smoothing" arg:"X" help:"probability spread over all classes"`
	ClassWeights   string   `yaml:"class_weights" json:"class_weights" arg:"KIND" help:"none, or balanced: rare classes count more (default: none; balanced where --auto has few examples)"`
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

// DefaultConfig returns the default value of every option.
func DefaultConfig() Config {
	return Config{
		Thaw: []string{}, Freeze: []string{}, BatchNorm: "auto", AdapterTargets: []string{}, Input: []string{}, Shape: []string{},
		Cut: "none", Skip: []string{}, Head: "linear", HeadActivation: "relu", Attach: []string{}, Start: "none", Pool: "auto",
		Accumulate: 1, Optimizer: "adamw", LRSchedule: "cosine", Calibrate: "auto", Keep: "best", LRMult: []string{},
		Seed: 1, Cache: "auto", CachePrecision: "float32",
	}
}

// Settle gives the words that the user left open the value that changes nothing.
func (c *Config) Settle() {
	c.Augment, c.ClassWeights = cmp.Or(c.Augment, "none"), cmp.Or(c.ClassWeights, "none")
}

// Bind defines one flag for every option on fs, see option.Bind.
func (c *Config) Bind(fs *flag.FlagSet) { option.Bind(fs, c, inWords) }

// AutoRGN is the value of the option rates that measures the rates.
const AutoRGN = "auto-rgn"
