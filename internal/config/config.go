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

	TensorBoard bool `yaml:"tensorboard" json:"tensorboard" help:"also write an event file for TensorBoard into the run directory"`

	Extends string `yaml:"extends" json:"extends" arg:"DIR" help:"finished run that this one continues, see --extend; --epochs counts the epochs of both"`

	Task        string   `yaml:"task" json:"task" arg:"KIND" help:"{} (default: found from the data)"`
	TextColumn  string   `yaml:"text_column" json:"text_column" arg:"NAME" help:"table column that holds the text"`
	LabelColumn string   `yaml:"label_column" json:"label_column" arg:"NAME" help:"table column that holds the label (default: label; for numbers also target)"`
	Group       string   `yaml:"group" json:"group" arg:"COLUMN|REGEX" help:"examples that belong together, such as those of one speaker; a group is held out as a whole. A table column, or for files a regular expression on their paths in --data with one (group)"`
	Preprocess  string   `yaml:"preprocess" json:"preprocess" arg:"P" help:"preprocessor file, or a preset: imagenet, inception, unit, raw; tensors if the files hold tensors; see help preprocess"`
	Layout      string   `yaml:"layout" json:"layout" arg:"KIND" help:"axes of the model's image input: nchw, or nhwc (channels last) (default: found from the model)"`
	Size        string   `yaml:"size" json:"size" arg:"HxW" help:"image size that the model gets, such as 224x320 or 224 (default: the model's, else the preprocessor file's, else 224)"`
	Tokenizer   string   `yaml:"tokenizer" json:"tokenizer" arg:"FILE" help:"tokenizer file (default: beside the model)"`
	MaxLength   int      `yaml:"max_length" json:"max_length" arg:"N" help:"most tokens of a text that the model gets (0: as many as it takes)"`
	Input       []string `yaml:"input" json:"input" arg:"NAME=VALUE" help:"fixes an input that is the same for every example: a number, zeros, or a file with a tensor (.pb, .safetensors); may be given again (default: zeros for states, empty caches)"`
	Shape       []string `yaml:"shape" json:"shape" arg:"INPUT=SIZES" help:"sizes of dynamic axes: of an input, such as input_ids=1,128, or of a named axis, such as sequence=128; may be given again"`
	Augment     string   `yaml:"augment" json:"augment" arg:"SPEC" help:"augmentation of training examples: flip, vflip, crop:A, color:X, rand:N:M for images; noise:DB, gain:DB, shift:S for sounds; or none (default: none; with --auto, crop:0.7,color:0.2 for images where it thaws); see help augment"`

	Thaw      []string      `yaml:"thaw" json:"thaw" arg:"S" help:"weights to train, as selectors; may be given again (default: head)"`
	Freeze    []string      `yaml:"freeze" json:"freeze" arg:"S" help:"weights to keep frozen, as selectors, taken away from --thaw; may be given again"`
	Schedule  string        `yaml:"schedule" json:"schedule" arg:"NAME[:ARG]" help:"freeze or thaw during training: {}; among what --thaw names, by default everything"`
	Auto      bool          `yaml:"auto" json:"auto" help:"choose what to thaw by a search on training examples"`
	Budget    time.Duration `yaml:"budget" json:"budget" arg:"TIME" help:"time limit for the search of --auto, such as 90s or 10m (0: about a quarter of the work of a grid search)"`
	BatchNorm string        `yaml:"batchnorm" json:"batchnorm" arg:"KIND" help:"auto: thawed layers use batch statistics and update running ones; frozen: never"`
	Adapter   string        `yaml:"adapter" json:"adapter" arg:"KIND" help:"freeze the layers and train additions beside them: {}; by layer: lora:8@last:2+lora:2@first:3; see help adapter"`

	AdapterTargets []string `yaml:"adapter_targets" json:"adapter_targets" arg:"S" help:"layers that get an adapter, as selectors; may be given again (default: linear layers; convolutions where there is no attention)"`
	AdapterAlpha   float64  `yaml:"adapter_alpha" json:"adapter_alpha" arg:"X" help:"alpha of LoRA: its product is scaled by X/R (0: R)"`
	AdapterMerge   bool     `yaml:"adapter_merge" json:"adapter_merge" help:"merge adapters into the weights when the model is written"`

	Cut  string   `yaml:"cut" json:"cut" arg:"BLOCK" help:"last block to keep: later layers are removed, and the head reads the end of this block; last:N removes the last N blocks, none removes nothing"`
	Skip []string `yaml:"skip" json:"skip" arg:"BLOCK" help:"residual block to remove, so that only its shortcut remains; may be given again; none removes nothing"`
	Head string   `yaml:"head" json:"head" arg:"KIND" help:"{}; a number is the width of a hidden layer"`

	HeadActivation string  `yaml:"head_activation" json:"head_activation" arg:"KIND" help:"activation between the layers of a new head: {}"`
	HeadDropout    float64 `yaml:"head_dropout" json:"head_dropout" arg:"P" help:"dropout of a new head: probability with which training drops each input of its last layer and each hidden value"`

	Attach []string `yaml:"attach" json:"attach" arg:"VALUE" help:"value that the head reads; may be given again (default: found from the model, and compared with others on training examples)"`
	Start  string   `yaml:"start" json:"start" arg:"KIND" help:"how a new head starts: none, or probe: it is trained first, with everything else frozen"`
	Pool   string   `yaml:"pool" json:"pool" arg:"KIND" help:"how a map or sequence becomes one vector: {}"`

	Epochs         int      `yaml:"epochs" json:"epochs" arg:"N" help:"passes over the training examples (0: chosen for you)"`
	Batch          int      `yaml:"batch" json:"batch" arg:"N" help:"examples per step (0: chosen for you)"`
	Accumulate     int      `yaml:"accumulate" json:"accumulate" arg:"N" help:"batches whose gradients are averaged before a step"`
	Optimizer      string   `yaml:"optimizer" json:"optimizer" arg:"KIND" help:"{}, by PyTorch's rules"`
	LR             float64  `yaml:"lr" json:"lr" arg:"X" help:"peak learning rate (0: chosen for you)"`
	LRSchedule     string   `yaml:"lr_schedule" json:"lr_schedule" arg:"KIND" help:"cosine, constant or step (a tenth after each third of the run)"`
	Warmup         float64  `yaml:"warmup" json:"warmup" arg:"X" help:"steps in which the learning rate rises at the start; below 1, a fraction of all steps"`
	Momentum       float64  `yaml:"momentum" json:"momentum" arg:"X" help:"momentum of sgd"`
	Nesterov       bool     `yaml:"nesterov" json:"nesterov" help:"Nesterov's form of momentum"`
	WeightDecay    *float64 `yaml:"weight_decay" json:"weight_decay" arg:"X" help:"weight decay of every thawed weight (default: 0.01 for adamw, without norms and biases; 0 for sgd)"`
	Calibrate      string   `yaml:"calibrate" json:"calibrate" arg:"KIND" help:"choose the temperature of the scores on held-out training examples, and a new head's learning rate if --lr is not given: auto: where only a head trains; on: always, which takes the time of one more fit, or four with few examples; off"`
	LabelSmoothing float64  `yaml:"label_smoothing" json:"label_smoothing" arg:"X" help:"share of the probability that is spread over all classes"`
	ClassWeights   string   `yaml:"class_weights" json:"class_weights" arg:"KIND" help:"none, or balanced: rare classes count more (default: none; balanced where --auto has few examples)"`
	LRMult         []string `yaml:"lr_mult" json:"lr_mult" arg:"SELECTOR=X" help:"X times the learning rate for the weights that a selector names; may be given again, the last one counts"`
	LayerDecay     float64  `yaml:"layer_decay" json:"layer_decay" arg:"X" help:"X times the learning rate for each block further from the head (0: the same for all)"`
	Rates          string   `yaml:"rates" json:"rates" arg:"KIND" help:"auto-rgn: the learning rate of each weight in proportion to its relative gradient"`
	L2SP           float64  `yaml:"l2_sp" json:"l2_sp" arg:"X" help:"decay of thawed weights towards their pretrained values, of a new head towards 0, in place of weight decay"`
	Average        string   `yaml:"average" json:"average" arg:"KIND" help:"keep an average of the thawed weights: ema:D over the steps, swa over the last quarter of the epochs"`
	WiseFT         *float64 `yaml:"wise_ft" json:"wise_ft" arg:"A" help:"write the weights this far from the pretrained (0) towards the trained ones (1); a new head stays as trained"`
	Mixup          float64  `yaml:"mixup" json:"mixup" arg:"A" help:"mix pairs of examples where the frozen part ends, with shares drawn from Beta(A,A)"`

	Clip     float64 `yaml:"clip" json:"clip" arg:"X" help:"largest norm of the gradient (0: no limit)"`
	Patience int     `yaml:"patience" json:"patience" arg:"N" help:"stop after N epochs without improvement (0: never)"`
	Keep     string  `yaml:"keep" json:"keep" arg:"KIND" help:"weights to write: of the best epoch or the last"`

	Seed        uint64 `yaml:"seed" json:"seed" arg:"N" help:"seed of everything random"`
	Threads     int    `yaml:"threads" json:"threads" arg:"N" help:"threads to use (0: one per core); results do not depend on it"`
	Cache       string `yaml:"cache" json:"cache" arg:"KIND" help:"where to keep frozen activations: auto, off, ram or disk"`
	CacheBudget int64  `yaml:"cache_budget" json:"cache_budget" arg:"SIZE" help:"largest size of the cache, such as 2GB or 512MiB (0: chosen for you)"`
	Memory      int64  `yaml:"memory" json:"memory" arg:"SIZE" help:"memory limit for activations and gradients of a training step: cheap values are recomputed (0: no limit)"`

	CachePrecision string `yaml:"cache_precision" json:"cache_precision" arg:"TYPE" help:"type of kept activations: float32, or float16 for half the size"`
	CacheVariants  int    `yaml:"cache_variants" json:"cache_variants" arg:"K" help:"keep K augmented variants of each example and use them in turn (0: new ones every epoch)"`
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
