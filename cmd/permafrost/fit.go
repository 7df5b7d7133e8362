package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/federate"
	"github.com/permafrost-ml/permafrost/search"
)

func init() { register(groupTune, "fit", fitCommand) }

func fitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fit --model MODEL --data PATH",
		Short: "Train the thawed weights of a model on your data",
		Long: `fit trains the thawed weights of a pretrained model on class folders of images or
sounds, or on a table of texts or numbers.

Without --thaw only a new head is trained, on the features that the frozen rest computes.
They are computed once and kept, so an epoch costs nearly nothing. --thaw trains more of
the model; permafrost inspect shows the cost first.

--auto chooses what to thaw, and the learning rate, by trying plans on parts of the
training examples. Validation examples are not used for it. race.json lists every trial.
The head alone is fitted first, so the folder soon holds a model. Ctrl-C and --budget end
with the best model so far.

Selectors name weights: head, all, last:2, layer3, 'layer3.*', kind:bias, fisher:0.5%;
!SELECTOR takes away. permafrost help selectors lists all of them.

--adapter freezes everything but the head and what --thaw names, and trains small
additions. lora:R adds a product of rank R beside linear layers, and beside convolutions
if the model has no attention. ia3 scales the features of keys, values and hidden
activations of feed-forward layers, or the channels of convolutions if the model has no
attention. Adapters are nodes of the tuned file. --adapter-merge merges them into the
weights, which verify then names as changed.

The run folder holds model.onnx (the tuned model, complete with labels and preprocessing),
labels.txt and preprocessor_config.json or tokenizer.json (for programs that do not read
its metadata), delta.safetensors (what changed, for delta apply), plan.json,
seal.json (proof that frozen weights are untouched), events.jsonl, checkpoints and
run.yaml, which replays the run.

--nats shares the frozen forward pass with permafrost worker processes on other machines,
which may come and go. Training stays here. The result is the same.

Ctrl-C saves a checkpoint; --resume continues and ends in the same bits. --extend N
continues a finished run for N more epochs, as a new run in DIR-extended. It starts from
the run's last weights and optimiser state, and the learning rate schedule starts again.
The best epoch of both runs is kept.`,
		Example: `  permafrost fit --model mobilenet.onnx --data photos
  permafrost fit --model resnet.onnx --data photos --thaw last:1 --epochs 10 --out runs/deeper
  permafrost fit --model resnet.onnx --data photos --thaw all --batchnorm frozen --lr 1e-4
  permafrost fit --model resnet.onnx --data photos --auto
  permafrost fit --model bert.onnx --data questions --adapter lora:8
  permafrost fit --model resnet.onnx --data photos --thaw head,fisher:0.5%
  permafrost fit --config runs/deeper/run.yaml --seed 2 --out runs/again
  permafrost fit --resume --out runs/deeper
  permafrost fit --extend 5 --out runs/deeper --lr 1e-4
  permafrost fit --model vit.onnx --data photos --nats nats://n1:4222`,
		Args: noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	given := bindConfig(fs)
	config := fs.String("config", "", "`FILE` run.yaml to replay; flags override it")
	resume := fs.Bool("resume", false, "continue the run in --out from its last checkpoint")
	var nats permafrost.NATS
	bindNATS(fs, &nats, "`URL` NATS server with JetStream: permafrost worker processes there compute part of the frozen values; the result is the same")
	extend := fs.Int("extend", 0, "`N` epochs to add to the finished run in --out, as a new run beside it")
	asJSON := jsonFlag(fs)
	for _, g := range fitGroups {
		group(fs, g.heading, g.names...)
	}
	group(fs, "Model and data", "config", "resume", "extend")
	group(fs, "Workers", natsFlags...)
	group(fs, other, "json")
	completeConfig(cmd)
	files(cmd, "config", "yaml", "yml")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		f := &fit{cmd: cmd, given: given, resume: *resume, nats: nats}
		if fs.Changed("extend") {
			f.extend = extend
		}
		if err := f.configure(*config); err != nil {
			return err
		}
		r, err := f.run(cmd.Context())
		if err != nil {
			return err
		}
		if r.Diagnosis != nil {
			nameFlags(cmd, &r.Diagnosis.Why, &r.Diagnosis.Advice)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		return printFit(cmd.OutOrStdout(), r, &f.cfg)
	}
	return cmd
}

// fit is a fit from the command line.
type fit struct {
	cmd    *cobra.Command
	given  *configFlags
	resume bool
	extend *int // epochs to add; nil: none
	nats   permafrost.NATS
	cfg    permafrost.Config

	announced bool // the run folder has been named
}

// configure finds the options: the defaults, run.yaml or those of the resumed run, with flags over
// them.
func (f *fit) configure(config string) error {
	f.cfg = permafrost.DefaultConfig()
	switch {
	case f.extend != nil && config != "":
		return fmt.Errorf("--config and --extend: an extended run has its own options; give one of the two")
	case f.extend != nil && f.resume:
		return fmt.Errorf("--resume and --extend: --resume goes on with an unfinished run, --extend with a finished one; give one of the two")
	case f.extend != nil:
		return f.configureExtension()
	case f.resume && config != "":
		return fmt.Errorf("--config and --resume: a resumed run has its own options; give one of the two")
	case f.resume:
		out, err := f.given.config()
		if err != nil {
			return err
		}
		if out.Out == "" {
			return fmt.Errorf("--resume: name the run's folder with --out DIR")
		}
		if f.cfg, err = permafrost.LoadRun(out.Out); err != nil {
			return err
		}
	case config != "":
		cfg, err := permafrost.LoadConfig(config)
		if err != nil {
			return fmt.Errorf("--config: %w", err)
		}
		if _, err := os.Lstat(filepath.Join(filepath.Dir(config), federate.SettingsFile)); err == nil {
			note(f.cmd, "%s is that of a federation: its epochs are those of a client in one round; --epochs says how many this fit has", config)
		}
		cfg.Out = "" // a replay is another run
		f.cfg = cfg
	}
	if err := f.given.over(&f.cfg); err != nil {
		return err
	}
	if f.resume && f.cfg.Auto {
		return fmt.Errorf("--auto and --resume: the choice was made when the run began; leave --auto out")
	}
	if err := f.cfg.Validate(); err != nil {
		return err
	}
	if f.cfg.Out == "" {
		f.cfg.Out = freeOut(f.cfg.Model, f.cfg.Data)
	}
	return nil
}

// configureExtension finds the options of a run that goes on from the one in --out: those of that
// run, with flags over them.
func (f *fit) configureExtension() error {
	given, err := f.given.config()
	switch {
	case err != nil:
		return err
	case given.Out == "":
		return fmt.Errorf("--extend: name the folder of the finished run with --out DIR")
	case f.given.has("epochs"):
		return fmt.Errorf("--extend and --epochs: --extend says how many epochs are added; leave --epochs out")
	case f.given.has("extends"):
		return fmt.Errorf("--extend and --extends: give one of the two")
	}
	if f.cfg, err = permafrost.ExtendRun(given.Out, *f.extend); err != nil {
		return err
	}
	extends, epochs := f.cfg.Extends, f.cfg.Epochs
	if err := f.given.over(&f.cfg); err != nil {
		return err
	}
	f.cfg.Extends, f.cfg.Epochs, f.cfg.Out = extends, epochs, freeName(filepath.Clean(given.Out)+"-extended")
	return f.cfg.Validate()
}

// freeName returns path, or path-N with the first N from 2 that does not exist.
func freeName(path string) string {
	free := path
	for n := 2; ; n++ {
		if _, err := os.Lstat(free); errors.Is(err, os.ErrNotExist) {
			return free
		}
		free = fmt.Sprintf("%s-%d", path, n)
	}
}

// freeOut returns runs/MODEL-DATA-N with the first N that does not exist.
func freeOut(model, data string) string {
	base := strings.TrimSuffix(filepath.Base(model), ".onnx") + "-" + filepath.Base(filepath.Clean(data))
	for n := 1; ; n++ {
		path := filepath.Join("runs", fmt.Sprintf("%s-%d", base, n))
		if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
			return path
		}
	}
}

// run trains. After an interrupt there is a checkpoint.
func (f *fit) run(ctx context.Context) (*permafrost.Result, error) {
	fit := permafrost.Fit
	if f.resume {
		fit = permafrost.Resume
	}
	opts := []permafrost.Option{permafrost.OnEvent(f.announce), progress(f.cmd), permafrost.WithModelOnDisk()}
	if f.nats != (permafrost.NATS{}) {
		sharing, err := search.ShareFrozen(ctx, f.nats, func(text string) { note(f.cmd, "%s", text) })
		if err != nil {
			return nil, err
		}
		defer sharing.Close()
		defer func() { f.tellShared(sharing.Shared()) }()
		opts = append(opts, permafrost.WithHelpers(sharing))
	}
	r, err := fit(ctx, f.cfg, opts...)
	if errors.Is(err, permafrost.ErrInterrupted) {
		if _, err := os.Stat(f.cfg.Out); err != nil {
			return nil, exitError{exitInterrupted, "interrupted before anything was written"}
		}
		if f.cfg.Auto {
			return nil, exitError{exitInterrupted, fmt.Sprintf("interrupted; %s is the best model so far", filepath.Join(f.cfg.Out, permafrost.ModelFile))}
		}
		return nil, exitError{exitInterrupted, fmt.Sprintf("interrupted; go on with: permafrost fit --resume --out %s", f.cfg.Out)}
	}
	return r, err
}

// tellShared says what workers computed.
func (f *fit) tellShared(s permafrost.Shared) {
	if s.Others == 0 {
		note(f.cmd, "workers computed no frozen values: none was needed, or none came in time")
		return
	}
	note(f.cmd, "%s computed the frozen values of %s, this process those of %s beside them; %s went out, %s came back",
		counted(s.Workers, "worker"), counted(s.Others, "example"), counted(s.Here, "example"), bytesText(s.Sent), bytesText(s.Received))
}

// announce says where a run is written as soon as it has started. Before that, nothing has been
// written.
func (f *fit) announce(e permafrost.Event) {
	switch e.(type) {
	case *permafrost.Trial, *permafrost.Choice, *permafrost.Encoded: // of the search, which writes nothing by itself
		return
	}
	if !f.announced {
		fmt.Fprintf(f.cmd.ErrOrStderr(), "run folder %s\n", f.cfg.Out)
		f.announced = true
	}
}

// printFit prints the result of a fit.
func printFit(w io.Writer, r *permafrost.Result, cfg *permafrost.Config) error {
	best := ""
	switch {
	case r.BestEpoch > 0 && cfg.Keep == "last":
		best = fmt.Sprintf(", the last of %s; the best was %d", counted(r.Epochs, "epoch"), r.BestEpoch)
	case r.BestEpoch > 0:
		best = fmt.Sprintf(", best of %s was %d", counted(r.Epochs, "epoch"), r.BestEpoch)
	}
	metric := fmt.Sprintf("accuracy    %.2f%%", 100*r.ValAccuracy)
	if r.ValMetric != nil {
		metric = r.ValMetric.String() + guessText(r.ValMetric, r.GuessLoss)
		if r.ValBefore != nil {
			best = fmt.Sprintf(", %s before%s", r.ValBefore, best)
		}
	} else {
		best = fmt.Sprintf("%s, macro F1 %.4f%s", calibrationText(r.ECE, r.ECEChance), r.MacroF1, best)
	}
	took := secondsText(r.Seconds)
	if a := r.Auto; a != nil {
		took += fmt.Sprintf(" (%s of it to choose)", secondsText(a.Seconds))
		if _, err := fmt.Fprintf(w, "chosen      %s\nwhy         %s\n", a.Text, a.Why); err != nil {
			return err
		}
	}
	trained := fmt.Sprintf("%s of %s parameters; %s", thousands(r.ParamsThawed), thousands(r.ParamsTotal), frozenText(r, cfg))
	if r.Temperature != 1 {
		trained += fmt.Sprintf("; scores divided by %.3g, which was chosen on held-out training examples", r.Temperature)
	}
	_, err := fmt.Fprintf(w, `%s on validation (loss %.4f%s)
trained     %s
took        %s, at most %s of memory
model       %s
report      %s
`, metric, r.ValLoss, best,
		trained,
		took, bytesText(r.PeakRSS), filepath.Join(r.Out, permafrost.ModelFile), filepath.Join(r.Out, permafrost.ReportFile))
	if d := r.Diagnosis; err == nil && d != nil {
		_, err = fmt.Fprintf(w, "diagnosis   %s: %s\n", d.Verdict, d.Why)
		if err == nil && d.Advice != "" {
			_, err = fmt.Fprintf(w, "advice      %s\n", d.Advice)
		}
	}
	return err
}

// frozenText says what became of the weights that the plan froze.
func frozenText(r *permafrost.Result, cfg *permafrost.Config) string {
	froze := slices.ContainsFunc(r.Plan.Params, func(p permafrost.PlanParam) bool {
		return p.State == permafrost.Frozen || p.State == permafrost.Partly
	})
	switch {
	case cfg.AdapterMerge:
		return "adapters are merged into the weights beside them, every other frozen weight has its bytes unchanged"
	case r.FrozenDigestBefore != r.FrozenDigestAfter:
		return "frozen weights changed"
	case !froze && r.FrozenAgain > 0:
		return fmt.Sprintf("every weight trained at some time; frozen at the end: %d of them", r.FrozenAgain)
	case !froze && cfg.Schedule != "":
		return "every weight trained at some time, and none was frozen at the end"
	case !froze:
		return "nothing was frozen"
	case r.FrozenAgain > 0:
		return fmt.Sprintf("every weight that never trained has its bytes unchanged; frozen at the end: %d more", r.FrozenAgain)
	}
	return "every frozen weight has its bytes unchanged"
}
