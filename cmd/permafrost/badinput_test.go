package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// listing is every file below the working directory with its size.
func listing(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		out = append(out, path+" "+info.ModTime().String())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// edited writes the tiny model with a change to its graph.
func edited(t *testing.T, path string, change func(g *ir.Graph)) {
	t.Helper()
	g := fixture.Graph(5, 1)
	change(g)
	b, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, b)
}

// TestBadInput: one line, exit 2, nothing written.
func TestBadInput(t *testing.T) {
	world(t)
	whole, err := os.ReadFile("tiny.onnx")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "empty.onnx", nil)
	write(t, "cut.onnx", whole[:len(whole)/2])
	write(t, "text.onnx", []byte("this is no model"))
	edited(t, "unknown.onnx", func(g *ir.Graph) { g.Nodes[0].Op = "Convolve" })
	edited(t, "frozenunknown.onnx", func(g *ir.Graph) { g.Nodes[2].Op = "Relew" })
	edited(t, "nobatch.onnx", func(g *ir.Graph) { g.Inputs[0].Type.Shape[0], g.Inputs[0].Dims = 0, nil })
	edited(t, "tail.onnx", func(g *ir.Graph) {
		v := g.AddNode(&ir.Node{Name: "boxes", Op: "Decode", Domain: "my.domain", Version: 1, Inputs: g.Outputs}, []ir.Type{{DType: tensor.Float32}}, "o").Outputs
		g.Outputs = v
	})
	write(t, "one/red/a.png", pictureFile(t))
	write(t, "none/a/x.txt", []byte("x"))
	write(t, "none/b/y.txt", []byte("y"))
	for _, path := range []string{"strange/train/red/a.png", "strange/train/blue/a.png", "strange/val/white/a.png"} {
		write(t, path, pictureFile(t))
	}
	for _, class := range []string{"blue", "red"} { // more than a tenth damaged
		write(t, "damaged/"+class+"/a.png", pictureFile(t))
		write(t, "damaged/"+class+"/b.png", []byte("damaged"))
	}
	if err := fixture.WritePictures("other", 8, 2, 5); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WriteModel("other.onnx", 5, 2); err != nil {
		t.Fatal(err)
	}
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "2")
	write(t, "bad.yaml", []byte("epochz: 3\n"))

	fit := func(args ...string) []string {
		return append([]string{"fit", "--model", "tiny.onnx", "--data", "photos", "--out", "new"}, args...)
	}
	resume := func(args ...string) []string { return append([]string{"fit", "--resume", "--out", "run"}, args...) }
	for _, c := range []struct {
		args []string
		want []string // pieces of the line
	}{
		{fit("--model", "missing.onnx"), []string{"missing.onnx"}},
		{[]string{"demo", "cats"}, []string{`"cats"`, "pictures, texts, sounds"}},
		{[]string{"demo", "texts", "--out", "photos"}, []string{"--out photos", "not empty"}},
		{[]string{"demo", "texts", "--out", "new", "--threads", "2"}, []string{"--threads"}},
		{[]string{"ui", "--runs", "tiny.onnx", "--listen", "127.0.0.1:0"}, []string{"--runs", "tiny.onnx"}},
		{[]string{"ui", "--runs", "new", "--models", "missing.onnx", "--listen", "127.0.0.1:0"}, []string{"--models", "missing.onnx"}},
		{[]string{"ui", "--runs", "new", "--data", "missing", "--listen", "127.0.0.1:0"}, []string{"--data", "missing"}},
		{[]string{"ui", "--runs", "new", "--token", "short", "--listen", "127.0.0.1:0"}, []string{"--token", "at least 16"}},
		{[]string{"ui", "--listen", "nowhere"}, []string{"--listen nowhere"}},
		{[]string{"ui", "--at-once", "0"}, []string{"--at-once 0"}},
		{[]string{"ui", "runs"}, []string{"runs"}},
		{[]string{"report"}, []string{"RUN is missing"}},
		{[]string{"report", "nowhere"}, []string{"no folder nowhere"}},
		{[]string{"report", "tiny.onnx"}, []string{"tiny.onnx is a file"}},
		{[]string{"report", "photos"}, []string{"photos holds no run"}},
		{[]string{"report", "run", "run"}, []string{"--out FILE.html is missing"}},
		{[]string{"report", "run", "--out", "page.pdf"}, []string{"--out page.pdf", ".html"}},
		{[]string{"report", "run", "--out", "nowhere/page.html"}, []string{"--out", "no folder nowhere"}},
		{[]string{"serve", "--model", "missing.onnx"}, []string{"--model", "missing.onnx", "no such file"}},
		{[]string{"serve", "--model", "tiny.onnx", "--max-batch", "0"}, []string{"--max-batch 0"}},
		{[]string{"serve", "--listen", "127.0.0.1:0", "--model", "tiny.onnx", "--queue", "-1"}, []string{"--queue", "at least 1"}},
		{[]string{"serve", "--model", "tiny.onnx", "--listen", "nowhere"}, []string{"--listen nowhere"}},
		{[]string{"serve", "--listen", "127.0.0.1:0", "--model", "text.onnx"}, []string{"text.onnx", "not an ONNX model"}},
		{[]string{"serve", "--listen", "127.0.0.1:0", "--model", "a=tiny.onnx", "--model", "a=other.onnx"}, []string{"two models", `"a"`}},
		{[]string{"serve", "--listen", "127.0.0.1:0", "--model", "run", "--size", "9"}, []string{"--size"}},
		{fit("--model", "empty.onnx"), []string{"empty.onnx", "empty"}},
		{fit("--model", "cut.onnx"), []string{"cut.onnx", "truncated"}},
		{fit("--model", "text.onnx"), []string{"text.onnx", "not an ONNX model"}},
		{fit("--model", "photos"), []string{"photos", "folder"}},
		{fit("--model", "unknown.onnx"), []string{"/blocks.0/conv/Conv", "Convolve", "not supported"}},
		{fit("--model", "frozenunknown.onnx"), []string{"/blocks.0/relu/Relu", "Relew", "not supported"}},
		{fit("--model", "nobatch.onnx"), []string{`"image" is float32[0,3,8,8]`, "batch is written as 0"}},
		{[]string{"inspect", "nobatch.onnx"}, []string{"batch is written as 0"}},
		{fit("--model", "tail.onnx"), []string{`node "boxes"`, "my.domain.Decode", "not supported", "--attach"}},
		{fit("--data", "nowhere"), []string{"nowhere"}},
		{fit("--data", "one"), []string{"one class only (red)"}},
		{fit("--data", "none"), []string{"none holds texts (.txt)", "takes pictures"}},
		{fit("--data", "strange"), []string{"white", "blue, red"}},
		{fit("--data", "damaged"), []string{"damaged", "b.png"}},
		{fit("--data", "tiny.onnx"), []string{"tiny.onnx", "file"}},
		{fit("--thaw", "block.1.conv"), []string{`"block.1.conv"`, "blocks.1.conv"}},
		{fit("--thaw", "last:9"), []string{"last:9", "2 blocks"}},
		{fit("--thaw", "kind:wheel"), []string{"kind:wheel", "bias, norm, shift, weight, embedding, adapter"}},
		{fit("--freeze", "nothing.*"), []string{"--freeze", `"nothing.*"`}},
		{fit("--head", "keep"), []string{"5 classes", "3", "--head linear"}},
		{fit("--head", "tail"), []string{"tail", "linear, mlp:N, mlp:N,M, keep"}},
		{fit("--attach", "/nowhere"), []string{"/nowhere"}},
		{fit("--cut", "blocks.7"), []string{"--cut", `no block "blocks.7"`, "it can end behind blocks.0"}},
		{fit("--cut", "last:2"), []string{"--cut", "leaves nothing", "2 blocks"}},
		{fit("--cut", "blocks.0", "--attach", "/Flatten_output_0"), []string{"--cut: --attach says too what the head reads"}},
		{fit("--cut", "blocks.0", "--head", "keep"), []string{"--cut", "behind every cut"}},
		{fit("--skip", "blocks.1"), []string{"--skip", "none of the model's blocks can"}},
		{fit("--cut", "blocks.0", "--skip", "blocks.1"), []string{"--skip", "behind the cut"}},
		{fit("--head", "mlp:8,0"), []string{"mlp:8,0"}},
		{fit("--head", "mlp:1,2,3,4,5"), []string{"mlp:1,2,3,4,5"}},
		{fit("--head-dropout", "1"), []string{"--head-dropout"}},
		{fit("--head-activation", "swish"), []string{"--head-activation", "relu, gelu, silu, tanh"}},
		{fit("--preprocess", "odd"), []string{"odd", "imagenet"}},
		{fit("--augment", "wobble"), []string{"wobble"}},
		{fit("--optimizer", "adam"), []string{"adam", "adamw, sgd"}},
		{fit("--momentum", "0.9"), []string{"momentum", "sgd"}},
		{fit("--lr", "fast"), []string{"fast", "--lr", "want a number"}},
		{fit("--seed", "-1"), []string{"--seed", "want a whole number from 0 on"}},
		{fit("--epochs", "x"), []string{"--epochs", "want a whole number"}},
		{[]string{"cache", "prune", "--older", "0s"}, []string{"--older", "--all drops everything"}},
		{fit("--epochs", "-1"), []string{"epochs"}},
		{fit("--cache-budget", "much"), []string{"much"}},
		{fit("--wings"), []string{"--wings", "--help"}},
		{fit("extra"), []string{"extra"}},
		{fit("--task", "lm"), []string{"--task lm", "no texts"}},
		{fit("--adapter", "lora:4@wings"), []string{"--adapter", "wings", "nearest names"}},
		{fit("--adapter", "lora:4@blocks.0+lora:2@all"), []string{"--adapter", "both name", "!blocks.0"}},
		{fit("--adapter", "lora:4+lora:2"), []string{"--adapter", "only one part"}},
		{fit("--adapter", "lora:x"), []string{"lora:x", "lora:R, ia3"}},
		{fit("--adapter", "peft:nowhere"), []string{"--adapter", "peft:nowhere", "holds no adapter"}},
		{fit("--adapter", "peft:nowhere", "--adapter-alpha", "4"), []string{"--adapter-alpha", "strength of its own"}},
		{fit("--adapter", "peft:nowhere", "--adapter-targets", "all"), []string{"--adapter-targets", "says which layers"}},
		{fit("--thaw", "classifier"), []string{"--thaw", `"classifier"`, "own classifier", "new head replaces", "--head keep"}},
		{fit("--thaw", "/classifier/Gemm"), []string{"own classifier", "--head keep"}},
		{fit("--thaw", "last1"), []string{"is last:1 meant?"}},
		{fit("--adapter", "ia3", "--adapter-targets", "wings"), []string{"--adapter-targets", "wings", "nearest names"}},
		{fit("--schedule", "1:all"), []string{"schedule", "1:all", "gradual"}},
		{fit("--schedule", "lisa"), []string{"schedule", "lisa:2"}},
		{fit("--schedule", "autofreeze:120%"), []string{"schedule", "120%", "share"}},
		{fit("--schedule", "gradual", "--thaw", "head"), []string{"schedule", "nothing to change with --thaw head"}},
		{fit("--schedule", "lisa:99"), []string{"schedule", "can be drawn"}},
		{fit("--tokenizer", "t.json"), []string{"--tokenizer t.json", "takes pictures"}},
		{fit("--text-column", "words"), []string{"--text-column: words", "folder of class folders"}},
		{fit("--label-column", "kind"), []string{"--label-column: kind", "folder of class folders"}},
		{fit("--group", "kind"), []string{"--group: kind", "one pair of parentheses"}},
		{fit("--group", "(kind"), []string{"--group: (kind", "missing closing )"}},
		{fit("--group", "(kind)"), []string{"--group: (kind)", "matches none of the paths in photos"}},
		{fit("--group", "(.)[^/]*$"), []string{"--group", "of one group"}},
		{fit("--adapter", "ia3", "--adapter-alpha", "4"), []string{"--adapter-alpha", "lora"}},
		{fit("--out", "run"), []string{"run holds another run"}},
		{fit("--out", "tiny.onnx"), []string{"tiny.onnx is a file"}},
		{fit("--config", "run/run.yaml", "--resume"), []string{"--config and --resume"}},
		{fit("--config", "missing.yaml"), []string{"missing.yaml"}},
		{fit("--config", "bad.yaml"), []string{"bad.yaml", "epochz", "epochs"}},
		{[]string{"fit", "--data", "photos"}, []string{"model"}},
		{[]string{"fit", "--model", "tiny.onnx"}, []string{"data"}},
		{[]string{"fit", "--resume"}, []string{"--out DIR"}},
		{[]string{"advise", "tiny.onnx"}, []string{`unexpected argument "tiny.onnx"`}},
		{[]string{"bench", "tiny.onnx", "--steps", "0"}, []string{"--steps 0"}},
		{[]string{"bench", "tiny.onnx", "--shape", "input=1,x"}, []string{"is not a size"}},
		{[]string{"demo", "--out", "photos"}, []string{"--out photos"}},
		{resume("--out", "photos"), []string{"photos holds no run"}},
		{resume("--thaw", "all"), []string{"thaw", `["all"]`}},
		{resume("--lr", "0.5"), []string{"lr was", "is 0.5"}},
		{resume("--epochs", "9"), []string{"epochs was 2, is 9"}},
		{resume("--data", "other"), []string{"another training data"}},
		{resume("--model", "other.onnx"), []string{"another model"}},
		{[]string{"predict", "--model", "run/model.onnx", "--size", "8x8", "photos/val/red/00.png"}, []string{"--size", "tuned model"}},
		{[]string{"eval", "--model", "tiny.onnx", "--data", "photos"}, []string{"blue, green, red", "labels.txt"}},
		{[]string{"predict", "--model", "run/model.onnx", "missing.png"}, []string{"missing.png"}},
		{[]string{"predict", "--model", "run/model.onnx"}, []string{"FILE"}},
		{[]string{"predict", "photos/val/red/00.png"}, []string{"model"}},
		{[]string{"eval", "--model", "run/model.onnx", "--data", "strange"}, []string{"white"}},
		{[]string{"verify", "tiny.onnx"}, []string{"TUNED is missing"}},
		{[]string{"verify", "tiny.onnx", "other.onnx"}, []string{"other.onnx", "--plan"}},
		{[]string{"verify", "other.onnx", "run/model.onnx"}, []string{"another model"}},
		{[]string{"verify", "tiny.onnx", "run/model.onnx", "--plan", "bad.yaml"}, []string{"bad.yaml", "plan.json"}},
		{[]string{"delta", "apply", "tiny.onnx", "run/checkpoints/last.safetensors", "made.onnx"}, []string{"no delta"}},
		{[]string{"delta", "apply", "other.onnx", "run/delta.safetensors", "made.onnx"}, []string{"another base", "other.onnx"}},
		{[]string{"delta", "extract", "tiny.onnx", "run/model.onnx", "tiny.onnx"}, []string{"tiny.onnx", "overwritten"}},
		{[]string{"delta", "apply", "tiny.onnx", "run/delta.safetensors", "tiny.onnx"}, []string{"tiny.onnx", "overwritten"}},
		{[]string{"delta", "extract", "tiny.onnx", "run/model.onnx", "d.onnx"}, []string{"d.onnx: a delta is written there: name it .safetensors"}},
		{[]string{"delta", "extract", "tiny.onnx", "run/model.onnx", "d"}, []string{"name it .safetensors"}},
		{[]string{"delta", "apply", "tiny.onnx", "run/delta.safetensors", "made.pth"}, []string{"made.pth: an ONNX file is written there: name it .onnx"}},
		{[]string{"import", "run/delta.safetensors", "--model", "tiny.onnx", "--out", "made.pth"}, []string{"made.pth: an ONNX file is written there: name it .onnx"}},
		{[]string{"delta", "apply", "tiny.onnx", "run/model.onnx", "made.onnx"}, []string{"run/model.onnx is no delta, it is an ONNX model", "delta extract"}},
		{[]string{"delta", "apply", "tiny.onnx", "photos/val/red/00.png", "made.onnx"}, []string{"00.png is no delta"}},
		{[]string{"delta", "shrink"}, []string{"shrink"}},
		{[]string{"inspect", "cut.onnx"}, []string{"truncated"}},
		{[]string{"inspect", "tiny.onnx", "--thaw", "x.y"}, []string{`"x.y"`}},
		{[]string{"inspect"}, []string{"MODEL is missing"}},
		{[]string{"inspect", "tiny.onnx", "--val", "photos"}, []string{"--val: photos", "--data"}},
		{[]string{"inspect", "tiny.onnx", "--text-column", "words"}, []string{"--text-column: words", "--data"}},
		{[]string{"inspect", "tiny.onnx", "--data", "photos", "--classes", "4"}, []string{"--classes", "the data say it"}},
		{[]string{"inspect", "tiny.onnx", "--data", "photos", "--examples", "4"}, []string{"--examples", "the data say it"}},
		{[]string{"inspect", "tiny.onnx", "--augment", "wobble"}, []string{"wobble"}},
		{[]string{"predict", "--model", "run/model.onnx", "--beam", "4", "photos/val/red/00.png"}, []string{"--beam", "ctc"}},
		{[]string{"predict", "--model", "run/model.onnx", "--top-k", "4", "photos/val/red/00.png"}, []string{"--top-k", "language model"}},
		{[]string{"export", "run/model.onnx", "--out", "new.safetensors", "--eps", "1e-3"}, []string{"--eps", "--checkpoint"}},
		{[]string{"export", "tiny.onnx", "--out", "new.safetensors", "--head", "fc"}, []string{"--head fc", "no new linear head"}},
		{[]string{"export", "run/model.onnx", "--out", "new.h5"}, []string{"--out: new.h5", ".safetensors, .pth, .pt or .bin", ".npz"}},
		{[]string{"export", "run/model.onnx", "--out", "new.onnx"}, []string{"--out: new.onnx", "--with-softmax"}},
		{[]string{"export", "run/model.onnx", "--out", "new.pth", "--with-softmax"}, []string{"new.pth: an ONNX file is written there: name it .onnx"}},
		{[]string{"export", "run/model.onnx", "--out", "new.onnx", "--with-softmax", "--head", "fc"}, []string{"--head", "--with-softmax"}},
		{[]string{"export", "tiny.onnx", "--out", "new.onnx", "--with-softmax"}, []string{"tiny.onnx", "not written by permafrost fit", "tune it first", "--head keep"}},
		{[]string{"help", "fitt"}, []string{"fitt"}},
		{[]string{"bench", "tiny.onnx", "--batch", "0"}, []string{"--batch 0"}},
		{[]string{"bench", "tiny.onnx", "--shape", "picture=1,3,8,8"}, []string{"picture", "image"}},
		{[]string{"run", "tiny.onnx", "--data-set", "photos"}, []string{"photos", "input_*.pb"}},
		{[]string{"run", "tiny.onnx"}, []string{"data-set"}},
		{[]string{"fitt"}, []string{"fitt", "fit"}},
	} {
		before := listing(t)
		o := permafrostRun(t, c.args...)
		name := strings.Join(c.args, " ")
		if o.code != exitUsage {
			t.Errorf("%s: exit %d, want 2\n%s%s", name, o.code, o.stdout, o.stderr)
		}
		if o.stdout != "" || strings.Count(o.stderr, "\n") != 1 || !strings.HasPrefix(o.stderr, "permafrost") {
			t.Errorf("%s: want one line on stderr and nothing on stdout, got %q and %q", name, o.stderr, o.stdout)
		}
		for _, piece := range c.want {
			if !strings.Contains(o.stderr, piece) {
				t.Errorf("%s: %q does not say %q", name, o.stderr, piece)
			}
		}
		for _, odd := range []string{"--shape: with", "statat", "openat"} {
			if strings.Contains(o.stderr, odd) {
				t.Errorf("%s: %q says %q", name, o.stderr, odd)
			}
		}
		if after := listing(t); !slices.Equal(before, after) {
			t.Errorf("%s: something was written: %v, before: %v", name, after, before)
		}
	}
}

// picture is one that decodes.
func pictureFile(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("photos/val/red/00.png")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDiverged: the line says where the loss became NaN or infinite, in training or after its last step,
// and no model is written.
func TestDiverged(t *testing.T) {
	world(t)
	for _, c := range []struct{ batch, want string }{
		{"4", "not a number at epoch 1"},
		{"24", "at validation"},
	} {
		out := "run" + c.batch
		o := permafrostRun(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", out, "--thaw", "all", "--lr", "3e38", "--epochs", "1", "--optimizer", "sgd", "--batch", c.batch)
		last := o.stderr[strings.LastIndex(strings.TrimRight(o.stderr, "\n"), "\n")+1:]
		if o.code != exitFailed || !strings.Contains(last, c.want) || !strings.Contains(last, "it arose first in") {
			t.Errorf("batch %s: exit %d: %s", c.batch, o.code, last)
		}
		if _, err := os.Stat(filepath.Join(out, "model.onnx")); err == nil {
			t.Errorf("batch %s: a model was written", c.batch)
		}
	}
}

// TestDivergedKeeps: the best weights are kept, and not called good where guessing is better. The rate
// rises until it is far too much, and what is learned is wrong: validation has the classes in turn.
func TestDivergedKeeps(t *testing.T) {
	world(t)
	folders, err := filepath.Glob("photos/val/*")
	if err != nil || len(folders) < 2 {
		t.Fatal(folders, err)
	}
	if err := os.Rename(folders[0], "first"); err != nil {
		t.Fatal(err)
	}
	for i, to := range folders {
		from := "first"
		if i+1 < len(folders) {
			from = folders[i+1]
		}
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	o := permafrostRun(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--thaw", "all", "--lr", "1e38", "--warmup", "400",
		"--epochs", "60", "--optimizer", "sgd", "--batch", "24")
	if o.code != exitFailed || !strings.Contains(o.stderr, "set --clip 1; no epoch was better than guessing, so there is no good checkpoint") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
	if _, err := run.LoadCheckpoint(filepath.Join("run", run.BestCheckpoint)); err != nil {
		t.Error(err)
	}
}

// TestEndsAboveGuessing: a fit whose loss ends far above that of guessing fails with exit status 1, says
// why in one line and writes no model.
func TestEndsAboveGuessing(t *testing.T) {
	world(t)
	o := permafrostRun(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--lr", "1000", "--epochs", "5")
	if o.code != exitFailed || o.stdout != "" || !strings.Contains(o.stderr, "that of guessing 1.1; lower --lr") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
	if _, err := os.Stat(filepath.Join("run", "model.onnx")); err == nil {
		t.Error("a model was written")
	}
	if o := permafrostRun(t, "runs", "."); !strings.Contains(o.stdout, "lower --lr") || strings.Contains(o.stdout, "option ") {
		t.Errorf("runs: %s", o.stdout)
	}
}

// TestVerdict: every fit prints one, and eval the calibration error with that of chance.
func TestVerdict(t *testing.T) {
	world(t)
	o := permafrostRun(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "5")
	if o.code != exitDone || !strings.Contains(o.stdout, "diagnosis   unclear: ") || !strings.Contains(o.stdout, ", calibration error ") {
		t.Errorf("exit %d: %s%s", o.code, o.stdout, o.stderr)
	}
	o = permafrostRun(t, "eval", "--model", filepath.Join("run", "model.onnx"), "--data", "photos", "--json")
	for _, key := range []string{`"ece": `, `"ece_chance": `, `"guess_loss": 1.09861`} {
		if !strings.Contains(o.stdout, key) {
			t.Errorf("no %s in %s", key, o.stdout)
		}
	}
}
