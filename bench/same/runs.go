package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// run is a fit that both binaries do.
type run struct {
	name   string
	shared bool   // whether it needs ../shared
	args   string // of fit, apart from --out; paths are relative to the folder of inputs
	kind   runKind
}

type runKind int

const (
	whole     runKind = iota // all files are compared
	resumed                  // interrupted after some epochs, and gone on with: what is in the end is compared
	isRefused                // an error is wanted: the messages are compared
)

const (
	pictures = "--model letters.onnx --data pictures "
	tags     = "--model letters.onnx --data tags "
	numbers  = "--model letters.onnx --data numbers "
	texts    = "--model stories260k.onnx --data texts --max-length 24 "
	prose    = "--model stories260k.onnx --data prose --max-length 24 --task lm "
	sounds   = "--model speech-embedding.onnx --data sounds "
	scripts  = "--model speech-embedding.onnx --data transcripts --task ctc "
	files    = "--model magika-v3.onnx --data files "
)

// runs cover every task, kind of data, schedule and adapter, every kind of plan and head, and the
// options that change what a step or the cache does.
var runs = []run{
	{"head", false, pictures + "--epochs 8 --cache disk --label-smoothing 0.1 --class-weights balanced --threads 2", whole},
	{"last-float16", false, pictures + "--thaw last:1 --epochs 4 --cache ram --cache-precision float16 --clip 1 --lr-schedule step --warmup 3", whole},
	{"all-memory-augment-sgd-rgn", false, pictures + "--thaw all --memory 2MiB --epochs 3 --cache off --augment flip,crop:0.8,color:0.2 --optimizer sgd --momentum 0.9 --nesterov --lr 0.01 --rates auto-rgn --threads 2", whole},
	{"variants-mixup", false, pictures + "--thaw last:2 --epochs 4 --cache disk --augment crop:0.8,rand:1:3 --cache-variants 2 --mixup 0.3", whole},
	{"channels-accumulate", false, pictures + "--thaw head,channels:layer2.1.conv2.weight[0:8],layer3.* --batchnorm frozen --accumulate 3 --batch 8 --epochs 3 --cache ram --layer-decay 0.8", whole},
	{"fisher-l2sp", false, pictures + "--thaw head,fisher:1% --l2-sp 0.01 --epochs 3 --cache ram", whole},
	{"magnitude-probe-wiseft", false, pictures + "--thaw head,magnitude:2% --start probe --wise-ft 0.7 --epochs 3 --cache ram --keep last", whole},
	{"keep-head-egeria", false, "--model letters.onnx --data latin --thaw all --schedule egeria --head keep --epochs 4 --lr-schedule step --cache ram", whole},
	{"multilabel-mlp-gradual-ema", false, tags + "--task multilabel --schedule gradual --head mlp:32 --average ema:0.9 --epochs 6 --cache ram", whole},
	{"regress-lpft", false, numbers + "--task regress --thaw last:2 --schedule lpft --epochs 6 --cache ram", whole},
	{"autofreeze-swa", false, pictures + "--schedule autofreeze --average swa --epochs 8 --cache disk", whole},
	{"freezeout-pool-attach", false, pictures + "--schedule freezeout --pool max --attach /layer2/layer2.1/relu_1/Relu_output_0 --attach /layer3/layer3.0/relu_1/Relu_output_0 --epochs 5 --cache ram --patience 2", whole},
	{"texts-rows-slimfit", true, texts + "--thaw all,!tok_embeddings.weight,rows:tok_embeddings.weight[0:64] --schedule slimfit --epochs 3 --batch 16 --cache ram", whole},
	{"texts-lora-merged", true, texts + "--adapter lora:4 --adapter-alpha 8 --adapter-merge --epochs 3 --batch 16 --cache ram --lr 0.003", whole},
	{"texts-ia3-disk", true, texts + "--adapter ia3 --thaw head,kind:norm --epochs 3 --batch 16 --cache disk --pool last --threads 2", whole},
	{"lm-lisa", true, prose + "--schedule lisa:2 --epochs 3 --batch 8 --cache ram", whole},
	{"sounds-badam", true, sounds + "--thaw last:3 --schedule badam:2 --epochs 3 --batch 8 --cache ram --augment noise:20,gain:6", whole},
	{"ctc", true, scripts + "--thaw last:1 --epochs 4 --batch 8 --cache disk", whole},
	{"bytes", true, files + "--thaw last:1 --epochs 4 --batch 8 --cache ram", whole},
	{"resume", false, pictures + "--thaw last:2 --epochs 40 --cache ram --batch 8", resumed},
	{"auto", false, pictures + "--auto --cache ram", whole},
	{"refused", false, pictures + "--thaw head,layer9.*", isRefused},
}

// written lists what a fit leaves in its folder, apart from the events.
var written = []string{"model.onnx", "delta.safetensors", "plan.json", "seal.json"}

// differences does the run with both binaries and says in lines what differs, none when nothing
// does.
func (r run) differences(ctx context.Context, both [2]binary) ([]string, error) {
	var messages [2]string
	for i, b := range both {
		var err error
		if messages[i], err = r.do(ctx, b); err != nil {
			return nil, err
		}
	}
	var found []string
	if messages[0] != messages[1] {
		found = append(found, fmt.Sprintf("error: %q, then %q", messages[0], messages[1]))
	} else if refused := messages[0] != ""; refused != (r.kind == isRefused) {
		return []string{fmt.Sprintf("error of both: %q", messages[0])}, nil
	}
	for _, name := range written {
		a, b, err := r.read(both, name)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(a, b) {
			found = append(found, fmt.Sprintf("%s: %s, then %s", name, digest(a), digest(b)))
		}
	}
	if r.kind != whole {
		return found, nil
	}
	a, b, err := r.read(both, "events.jsonl")
	if err != nil {
		return nil, err
	}
	if a == nil || b == nil {
		return found, nil
	}
	where, err := firstDifference(a, b)
	if err != nil {
		return nil, err
	}
	if where != "" {
		found = append(found, "events.jsonl, "+where)
	}
	return found, nil
}

// do runs the fit with a binary and returns the message with which it refused, "" if it went well.
func (r run) do(ctx context.Context, b binary) (string, error) {
	args := append([]string{"fit", "--out", filepath.Join(b.dir, r.name), "--threads", "1"}, strings.Fields(r.args)...)
	if r.kind == resumed {
		if err := b.interrupted(ctx, args, filepath.Join(b.dir, r.name, "events.jsonl")); err != nil {
			return "", err
		}
		args = []string{"fit", "--resume", "--out", filepath.Join(b.dir, r.name)}
	}
	cmd, stderr := b.command(ctx, args)
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return lines[len(lines)-1], nil
	}
	return "", err
}

// command is the binary with arguments, in the folder of inputs and with a cache of its own.
func (b binary) command(ctx context.Context, args []string) (*exec.Cmd, *bytes.Buffer) {
	stderr := &bytes.Buffer{}
	cmd := exec.CommandContext(ctx, b.file, args...)
	cmd.Dir = filepath.Join(filepath.Dir(b.dir), "input")
	cmd.Env = append(os.Environ(), "PERMAFROST_CACHE="+filepath.Join(b.dir, "cache"))
	cmd.Stderr = stderr
	return cmd, stderr
}

// interrupted starts a fit and interrupts it when it has written that an epoch is done.
func (b binary) interrupted(ctx context.Context, args []string, events string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd, stderr := b.command(ctx, args)
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("it ended (%v) before it could be interrupted\n%s", err, stderr)
		case <-time.After(5 * time.Millisecond):
		}
		text, err := os.ReadFile(events)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if bytes.Contains(text, []byte(`"type":"epoch",`)) {
			break
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	err := <-ended
	if _, missing := os.Stat(filepath.Join(filepath.Dir(events), "model.onnx")); err == nil || missing == nil {
		return errors.New("it ended before the interruption reached it")
	}
	return nil
}

// read reads a file that both runs wrote; nil stands for one that is not there.
func (r run) read(both [2]binary, name string) (before, after []byte, err error) {
	var b [2][]byte
	for i := range both {
		if b[i], err = os.ReadFile(filepath.Join(both[i].dir, r.name, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	return b[0], b[1], nil
}

// digest tells one content from another.
func digest(b []byte) string {
	if b == nil {
		return "missing"
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))[:12]
}
