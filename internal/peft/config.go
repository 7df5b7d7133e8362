package peft

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
)

// config is what adapter_config.json says of how an adapter computes.
type config struct {
	Base          string             `json:"base_model_name_or_path"`
	R             int                `json:"r"`
	Alpha         float64            `json:"lora_alpha"`
	RankPattern   map[string]int     `json:"rank_pattern"`
	AlphaPattern  map[string]float64 `json:"alpha_pattern"`
	RankStable    bool               `json:"use_rslora"` // the scale is alpha/sqrt(r)
	Bias          string             `json:"bias"`       // none, all or lora_only: whose biases are in the file
	Saved         []string           `json:"modules_to_save"`
	InitialValues json.RawMessage    `json:"init_lora_weights"`
	Dropout       float64            `json:"lora_dropout"`
}

// harmless are the keys that change nothing of what the tensors compute: what they were made for and
// by, which modules got a pair, which the tensors say too, and what counts in training alone.
// fan_in_fan_out says how PyTorch keeps the model's weight; how the ONNX file does is seen there.
var harmless = []string{
	"peft_type", "task_type", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "peft_version",
	"target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "lora_dropout", "fan_in_fan_out",
	"megatron_core", "runtime_config", "eva_config", "ensure_weight_tying",
}

// heeded are the keys of config.
var heeded = []string{"r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "bias", "modules_to_save", "init_lora_weights"}

// changesBase are the initialisations that also change the model's own weights, so that the pair alone
// does not say what was added to them.
var changesBase = regexp.MustCompile(`^(pissa|olora|loftq|corda|lora_ga)`)

func parseConfig(b []byte) (*config, error) {
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("it is no JSON object: %w", err)
	}
	kind := ""
	if err := json.Unmarshal(all["peft_type"], &kind); err != nil || kind != "LORA" {
		return nil, fmt.Errorf("peft_type is %s: only LORA is understood", orMissing(all["peft_type"]))
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(harmless, key) && !slices.Contains(heeded, key) && !empty(all[key]) {
			return nil, fmt.Errorf("%s %s may change what the adapter computes and is not understood", key, all[key])
		}
	}
	c := &config{R: 8, Alpha: 8, Bias: "none"}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, err
	}
	how := ""
	if json.Unmarshal(c.InitialValues, &how) == nil && changesBase.MatchString(how) {
		return nil, fmt.Errorf("init_lora_weights %q changed the model's own weights too, which the adapter does not hold: save it with path_initial_model_for_weight_conversion", how)
	}
	switch {
	case c.R <= 0:
		return nil, fmt.Errorf("r is %d, not above 0", c.R)
	case !slices.Contains([]string{"none", "all", "lora_only"}, c.Bias):
		return nil, fmt.Errorf("bias is %q, none of none, all and lora_only", c.Bias)
	}
	return c, nil
}

func orMissing(b json.RawMessage) string {
	if b == nil {
		return "missing"
	}
	return string(b)
}

// empty reports whether a value switches nothing on.
func empty(b json.RawMessage) bool {
	switch string(bytes.TrimSpace(b)) {
	case "null", "false", "{}", "[]", `""`, "0":
		return true
	}
	return false
}

// of is the rank and alpha of a module.
func (c *config) of(module string) (rank int, alpha float64, err error) {
	rank, alpha = c.R, c.Alpha
	key, err := pattern("rank_pattern", slices.Sorted(maps.Keys(c.RankPattern)), module)
	if err != nil {
		return 0, 0, err
	}
	if key != "" {
		rank = c.RankPattern[key]
	}
	if key, err = pattern("alpha_pattern", slices.Sorted(maps.Keys(c.AlphaPattern)), module); err != nil {
		return 0, 0, err
	}
	if key != "" {
		alpha = c.AlphaPattern[key]
	}
	return rank, alpha, nil
}

// pattern is the one of the keys that matches a module: peft matches them as regular expressions
// against the whole path or its end. It errors if several do, as the order of the file decides then.
func pattern(name string, keys []string, module string) (string, error) {
	found := ""
	for _, key := range keys {
		re, err := regexp.Compile(`^(.*\.)?(` + key + `)$`)
		if err != nil {
			return "", fmt.Errorf("%s %q: %w", name, key, err)
		}
		if !re.MatchString(module) {
			continue
		}
		if found != "" {
			return "", fmt.Errorf("%s: both %q and %q match module %s", name, found, key, module)
		}
		found = key
	}
	return found, nil
}

func (c *config) scale(alpha float64, rank int) float64 {
	if c.RankStable {
		return alpha / math.Sqrt(float64(rank))
	}
	return alpha / float64(rank)
}

// written is adapter_config.json as it is written.
type written struct {
	Base         string             `json:"base_model_name_or_path"`
	Type         string             `json:"peft_type"`
	Task         *string            `json:"task_type"`
	Inference    bool               `json:"inference_mode"`
	R            int                `json:"r"`
	Alpha        float64            `json:"lora_alpha"`
	Dropout      float64            `json:"lora_dropout"`
	Targets      []string           `json:"target_modules"`
	RankPattern  map[string]int     `json:"rank_pattern"`
	AlphaPattern map[string]float64 `json:"alpha_pattern"`
	Bias         string             `json:"bias"`
	FanInFanOut  bool               `json:"fan_in_fan_out"`
	RankStable   bool               `json:"use_rslora"`
	DoRA         bool               `json:"use_dora"`
	Saved        []string           `json:"modules_to_save"`
	Initial      bool               `json:"init_lora_weights"`
}

// configOf describes an adapter: the rank and strength that most pairs have, and the others by name.
func configOf(a *Adapter) *written {
	w := &written{Base: a.Base, Type: "LORA", Inference: true, Bias: "none", Initial: true, RankPattern: map[string]int{}, AlphaPattern: map[string]float64{}}
	ranks, alphas := map[int]int{}, map[float64]int{}
	for i := range a.Pairs {
		p := &a.Pairs[i]
		w.Targets = append(w.Targets, p.Module)
		ranks[p.Rank()]++
		alphas[p.alpha()]++
	}
	w.R, w.Alpha = most(ranks), most(alphas)
	for i := range a.Pairs {
		p := &a.Pairs[i]
		key := regexp.QuoteMeta(p.Module)
		if p.Rank() != w.R {
			w.RankPattern[key] = p.Rank()
		}
		if p.alpha() != w.Alpha {
			w.AlphaPattern[key] = p.alpha()
		}
	}
	for key := range a.Full {
		module, _, ok := cutLast(key)
		switch {
		case slices.Contains(w.Targets, module): // a bias beside a pair
			w.Bias = "all"
		case ok && !slices.Contains(w.Saved, module):
			w.Saved = append(w.Saved, module)
		}
	}
	slices.Sort(w.Targets)
	slices.Sort(w.Saved)
	return w
}

func (p *Pair) alpha() float64 { return p.Scale * float64(p.Rank()) }

// most is the key with the largest count, of several the smallest.
func most[K int | float64](counts map[K]int) K {
	keys := slices.Sorted(maps.Keys(counts))
	return slices.MaxFunc(keys, func(a, b K) int {
		if counts[a] != counts[b] {
			return counts[a] - counts[b]
		}
		if a < b {
			return 1
		}
		return -1
	})
}

// quoted joins names for a message.
func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, " and ")
}
