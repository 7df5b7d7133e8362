package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/permafrost-ml/permafrost/internal/hub/hubtest"
)

// parquetPhotos is the pictures from and to some number of each class, as the hub stores them.
func parquetPhotos(t *testing.T, from, to int) []byte {
	t.Helper()
	type row struct {
		Image struct {
			Bytes []byte `parquet:"bytes"`
			Path  string `parquet:"path"`
		} `parquet:"image"`
		Label int32 `parquet:"label"`
	}
	var rows []row
	for label, class := range []string{"blue", "green", "red"} {
		for i := from; i < to; i++ {
			r := row{Label: int32(label)}
			r.Image.Path = fmt.Sprintf("%02d.png", i)
			r.Image.Bytes = readFile(t, filepath.Join("photos", "train", class, r.Image.Path))
			rows = append(rows, r)
		}
	}
	var b bytes.Buffer
	err := parquet.Write(&b, rows, parquet.KeyValueMetadata("huggingface", `{"info":{"features":{"image":{"_type":"Image"},"label":{"_type":"ClassLabel","names":["blue","green","red"]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestHub: every command takes a model of the hub by its name.
func TestHub(t *testing.T) {
	world(t)
	s := hubtest.New(t)
	s.Put("models/some/tiny", "onnx/model.onnx", readFile(t, "tiny.onnx"))
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--epochs", "1", "--out", "local")
	s.Put("models/me/tuned", "model.onnx", readFile(t, "local/model.onnx"))
	for i, of := range [][]int{{0, 5}, {5, 8}} { // examples of each class
		s.Put("datasets/some/photos", fmt.Sprintf("data/%s-00000-of-00001.parquet", []string{"train", "test"}[i]), parquetPhotos(t, of[0], of[1]))
	}
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
		"fit --model tiny.onnx --data hf:datasets/some/photos --epochs 1 --out photographed",
		"fit --config photographed/run.yaml --out photographed-again",
		"eval --model photographed/model.onnx --data hf:datasets/some/photos:test",
		"advise --model tiny.onnx --data hf:datasets/some/photos",
		"rank --data hf:datasets/some/photos tiny.onnx",
		"search --model tiny.onnx --data hf:datasets/some/photos:train --trials 2 --epochs 1 --workers 2 --out found-by-workers",
		"federate simulate --model tiny.onnx --data hf:datasets/some/photos:train --val hf:datasets/some/photos:test --clients 2 --rounds 1 --out fed-photos",
	} {
		succeed(t, strings.Fields(args)...)
	}
	sameFiles(t, "local/model.onnx", "run/model.onnx")
	sameFiles(t, "run/model.onnx", "again/model.onnx")
	sameFiles(t, "run/model.onnx", "back.onnx")
	sameFiles(t, "photographed/model.onnx", "photographed-again/model.onnx")
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
