package publish

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// front is the front matter of a model card, as the hub reads it. Source: the hub's docs on model cards.
type front struct {
	License  string   `yaml:"license,omitempty"`
	Library  string   `yaml:"library_name"`
	Pipeline string   `yaml:"pipeline_tag,omitempty"`
	Base     string   `yaml:"base_model,omitempty"`
	Relation string   `yaml:"base_model_relation,omitempty"`
	Datasets []string `yaml:"datasets,omitempty"`
	Metrics  []string `yaml:"metrics,omitempty"`
	Tags     []string `yaml:"tags"`
	Index    []index  `yaml:"model-index,omitempty"`
}

type index struct {
	Name    string   `yaml:"name"`
	Results []result `yaml:"results"`
}

type result struct {
	Task    kind     `yaml:"task"`
	Dataset dataset  `yaml:"dataset"`
	Metrics []metric `yaml:"metrics"`
}

type kind struct {
	Type string `yaml:"type"`
}

type dataset struct {
	Name  string `yaml:"name"`
	Type  string `yaml:"type"`
	Split string `yaml:"split"`
}

type metric struct {
	Type  string  `yaml:"type"`
	Name  string  `yaml:"name"`
	Value float64 `yaml:"value"`
}

// pipelines are the hub's words for what a model does, by kind of data and task.
var pipelines = map[[2]string]string{
	{feed.KindPicture, "classify"}: "image-classification", {feed.KindPicture, "multilabel"}: "image-classification",
	{feed.KindText, "classify"}: "text-classification", {feed.KindText, "multilabel"}: "text-classification", {feed.KindText, "regress"}: "text-classification",
	{feed.KindSound, "classify"}: "audio-classification", {feed.KindSound, "multilabel"}: "audio-classification",
	{feed.KindVector, "classify"}: "tabular-classification", {feed.KindVector, "multilabel"}: "tabular-classification", {feed.KindVector, "regress"}: "tabular-regression",
	{feed.KindText, "lm"}: "text-generation", {feed.KindSound, "ctc"}: "automatic-speech-recognition",
}

// known are the hub's words for metrics that have other names here.
var known = map[string]string{"macro_f1": "f1", "error_rate": "cer"}

// metrics are the run's numbers on its validation examples.
func (s *source) metrics() []metric {
	var out []metric
	add := func(kind, name string, v *float64) {
		if v != nil {
			out = append(out, metric{cmp.Or(known[kind], kind), name, *v})
		}
	}
	if m := s.result.Metric; m != nil {
		add(m.Name, strings.ReplaceAll(m.Name, "_", " "), m.Value)
	} else {
		add("accuracy", "accuracy", s.result.Accuracy)
		add("macro_f1", "macro F1", s.result.MacroF1)
	}
	add("loss", "loss", s.result.Loss)
	return out
}

// name is what the card calls the model.
func (s *source) name() string {
	if _, name, ok := strings.Cut(s.options.Repo, "/"); ok {
		return name
	}
	return filepath.Base(filepath.Clean(s.Out))
}

// dataName is what the card calls the data: the repository, or the folder's or file's own name.
func (s *source) dataName() string {
	return cmp.Or(hubName(s.Config.Data), filepath.Base(filepath.Clean(s.Config.Data)))
}

func (s *source) front() *front {
	f := &front{License: s.options.License, Library: "onnx", Base: hubName(s.Config.Model), Tags: []string{"onnx", "permafrost"}}
	f.Pipeline = pipelines[[2]string{s.record.Input, s.record.Task}]
	if f.Base != "" {
		f.Relation = "finetune"
	}
	data := dataset{s.dataName(), s.dataName(), "validation"}
	if name := hubName(s.Config.Data); name != "" {
		f.Datasets = []string{name}
	}
	var measured []metric
	for _, m := range s.metrics() {
		if m.Type != "loss" {
			f.Metrics, measured = append(f.Metrics, m.Type), append(measured, m)
		}
	}
	if len(measured) > 0 && f.Pipeline != "" {
		f.Index = []index{{s.name(), []result{{kind{f.Pipeline}, data, measured}}}}
	}
	return f
}

// card is README.md. The folder has all its other files.
func (s *source) card(f *Folder) ([]byte, error) {
	var b bytes.Buffer
	head, err := yaml.Marshal(s.front())
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "---\n%s---\n\n# %s\n\n", head, plain(s.name()))
	base := hubName(s.Config.Model)
	if base != "" {
		base = fmt.Sprintf("[%s](https://huggingface.co/%s)", base, base)
	} else {
		base = "`" + filepath.Base(s.Config.Model) + "`"
	}
	fmt.Fprintf(&b, "%s, fine-tuned on %s by weight freezing: %d of %d parameters trained (`%s`).\n\n", base, plain(s.dataName()), s.ParamsThawed, s.ParamsTotal, s.selectors())
	s.numbers(&b)
	s.use(&b, f)
	s.training(&b)
	s.frozen(&b, f)
	return b.Bytes(), nil
}

// selectors say what trained.
func (s *source) selectors() string {
	text := strings.Join(s.plan.Thaw, ",")
	if s.Config.Adapter != "" {
		text += ", adapter " + s.record.Plan.Adapter
	}
	if s.Config.Schedule != "" {
		text += ", schedule " + s.Config.Schedule
	}
	return strings.ReplaceAll(text, "`", "'")
}

func (s *source) numbers(b *bytes.Buffer) {
	fmt.Fprintf(b, "| on %d validation examples | |\n|---|---|\n", s.data.Val)
	for _, m := range s.metrics() {
		if m.Type == "accuracy" {
			fmt.Fprintf(b, "| %s | %.2f%% |\n", m.Name, 100*m.Value)
			continue
		}
		fmt.Fprintf(b, "| %s | %.4g |\n", m.Name, m.Value)
	}
	if e := s.result.ECE; e != nil {
		fmt.Fprintf(b, "| expected calibration error | %.4f |\n", *e)
	}
	b.WriteString("\n")
	if s.Config.Keep == "best" && s.Config.Epochs > 1 {
		b.WriteString("The best epoch was chosen by these examples, so new ones may do a little worse.\n\n")
	}
	if n := len(s.record.Labels); n > 0 && s.record.Task != "lm" {
		const most = 40
		var names []string
		for _, l := range s.record.Labels[:min(n, most)] {
			names = append(names, plain(l))
		}
		more := ""
		if n > most {
			more = fmt.Sprintf(" and %d more, see `config.json`", n-most)
		}
		fmt.Fprintf(b, "Labels: %s%s.\n\n", strings.Join(names, ", "), more)
	}
}

// use says how the files are used.
func (s *source) use(b *bytes.Buffer, f *Folder) {
	repo, input := cmp.Or(s.options.Repo, "OWNER/NAME"), "FILE"
	if s.record.Input == feed.KindText {
		input = `--text "..."`
	}
	b.WriteString("## Use\n\n")
	switch {
	case s.options.Delta:
		base := cmp.Or(hubName(s.Config.Model), filepath.Base(s.Config.Model))
		if hubName(s.Config.Model) != "" {
			base = "hf:" + base
		}
		fmt.Fprintf(b, "The file `%s` holds what the tuned model has in addition to its base. Put together with it, it is an ONNX model:\n\n"+
			"```\npermafrost delta apply %s hf:%s:%s tuned.onnx\npermafrost predict --model tuned.onnx %s\n```\n\n", run.DeltaFile, base, repo, run.DeltaFile, input)
	default:
		fmt.Fprintf(b, "```\npermafrost predict --model hf:%s %s\n```\n\n", repo, input)
		fmt.Fprintf(b, "`%s` is an ONNX model that any runtime takes.", run.ModelFile)
		if f.has(feed.PreprocessFile) {
			fmt.Fprintf(b, " `%s` says how its input is prepared.", feed.PreprocessFile)
		}
		if f.has(feed.TokenizerFile) {
			fmt.Fprintf(b, " `%s` is its tokenizer.", feed.TokenizerFile)
		}
		if f.has(configFile) {
			fmt.Fprintf(b, " `%s` names its scores.", configFile)
		}
		if s.record.Temperature != 1 {
			fmt.Fprintf(b, " Divide the scores by %.6g before a softmax.", s.record.Temperature)
		}
		b.WriteString("\n\n")
	}
	if f.has(run.AdapterDir + "/adapter_config.json") {
		fmt.Fprintf(b, "The folder `%s` holds what trained for the Python package peft:\n\n```python\nPeftModel.from_pretrained(base, %q, subfolder=%q)\n```\n\n", run.AdapterDir, repo, run.AdapterDir)
	}
}

// training lists the options that say how the model came about.
func (s *source) training(b *bytes.Buffer) {
	fmt.Fprintf(b, "## Training\n\nWith [Permafrost](https://github.com/permafrost-ml/permafrost) %s, on %d examples:\n\n| option | value |\n|---|---|\n", plain(s.start.Version), s.data.Train)
	options := run.HParams(&s.Config)
	for _, name := range slices.Sorted(maps.Keys(options)) {
		fmt.Fprintf(b, "| %s | %s |\n", name, plain(fmt.Sprint(options[name])))
	}
	b.WriteString("\n")
}

// frozen says what did not change, and how that is proved.
func (s *source) frozen(b *bytes.Buffer, f *Folder) {
	still := 0
	for _, e := range s.record.Plan.Params {
		if e.State == freeze.Frozen {
			still++
		}
	}
	fmt.Fprintf(b, "## What is frozen\n\nOf the base with SHA-256 `%s`, %d weights were frozen", s.base, still)
	if s.result.Before == s.result.After && !s.Config.AdapterMerge && still > 0 {
		b.WriteString(", and their bytes are as they were")
	}
	b.WriteString(".")
	if f.has(run.PlanFile) {
		fmt.Fprintf(b, " `%s` says which.", run.PlanFile)
	}
	b.WriteString(" `permafrost verify BASE TUNED` proves it.\n")
}

// plain is a text that means nothing else in Markdown.
func plain(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "#", `\#`).Replace(text)
}
