package main

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/hub/hubtest"
)

// TestHub: every command takes a model of the hub by its name.
func TestHub(t *testing.T) {
	world(t)
	s := hubtest.New(t)
	s.Put("models/some/tiny", "onnx/model.onnx", readFile(t, "tiny.onnx"))
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--epochs", "1", "--out", "local")
	s.Put("models/me/tuned", "model.onnx", readFile(t, "local/model.onnx"))
	for _, args := range []string{
		"inspect hf:some/tiny",
		"inspect hf:some/tiny --passes",
		"bench hf:some/tiny --steps 1",
		"advise --model hf:some/tiny --data photos",
		"rank --data photos hf:some/tiny tiny.onnx",
		"fit --model hf:some/tiny --data photos --epochs 1 --out run",
		"fit --config run/run.yaml --out again",
		"compare --model hf:some/tiny --data photos --plan a=head --plan b=all --epochs 1 --seeds 2",
		"search --model hf:some/tiny --data photos --trials 2 --epochs 1 --out found",
		"federate simulate --model hf:some/tiny --data photos --clients 2 --rounds 1 --out fed",
		"eval --model hf:me/tuned --data photos",
		"predict --model hf:me/tuned:model.onnx photos/val/red/00.png",
		"verify hf:some/tiny run/model.onnx",
		"delta extract hf:some/tiny run/model.onnx d.safetensors",
		"delta apply hf:some/tiny d.safetensors back.onnx",
		"export hf:me/tuned --out tuned.safetensors",
	} {
		succeed(t, strings.Fields(args)...)
	}
	sameFiles(t, "local/model.onnx", "run/model.onnx")
	sameFiles(t, "run/model.onnx", "again/model.onnx")
	sameFiles(t, "run/model.onnx", "back.onnx")
	for _, path := range []string{"run/run.yaml", "found/search.jsonl", "fed/run.yaml"} {
		if b := readFile(t, path); !strings.Contains(string(b), "hf:some/tiny@"+s.Commit("models/some/tiny")+":onnx/model.onnx") {
			t.Errorf("%s does not pin the model:\n%s", path, b)
		}
	}
	for args, want := range map[string]string{
		"fit --model hf:some/none --data photos --out none":        "check the name",
		"fit --model hf:some/tiny:b.onnx --data photos --out none": "hf:some/tiny has no file b.onnx",
		"fit --model tiny.onnx --data hf:some/tiny --out none":     "is a model, where data are wanted",
		"inspect hf:some": "check the name",
		"inspect hf:":     "the form is hf:owner/name[@revision][:file]",
		"predict --model hf:datasets/some/tiny photos/val/red/00.png": "is a data set, where a model is wanted",
	} {
		if o := permafrostRun(t, strings.Fields(args)...); o.code != exitUsage || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, want) {
			t.Errorf("%s: exit %d: %s", args, o.code, o.stderr)
		}
	}
}
