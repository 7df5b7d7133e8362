package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// smallModel is a model that others have published, run on one example: in the time of one
// operation there, threads hardly hear of each other.
type smallModel struct {
	name  string
	steps int      // for tenths of a second, as loading still has the garbage collector work in the first hundredth
	args  []string // for permafrost bench, what the file does not tell
}

var smallModels = []smallModel{
	{"blazeface", 100, nil},
	{"candy", 5, nil},
	{"dtln1", 10000, nil},
	{"mlsd", 40, nil},
	{"mnist-cntk", 10000, nil},
	{"pointhist-lstm", 20000, []string{"--input", "score_threshold=0.5"}},
	{"ppocr-cls", 500, []string{"--size", "48x192"}},
	{"silero-v5", 5000, []string{"--input", "sr=16000", "--shape", "input=1,576"}},
	{"squeezenet-fp16", 80, nil},
	{"ssrnet", 500, nil},
	{"st-mbv2-035", 500, nil},
	{"st-ssd", 200, nil},
	{"tinybert", 10000, []string{"--shape", "input_ids=1,16", "--shape", "attention_mask=1,16", "--shape", "token_type_ids=1,16"}},
	{"u8-nhwc", 500, nil},
	{"ultraface", 100, nil},
	{"yolox_nano", 40, nil},
}

// small compares inference of one example with ONNX Runtime, on one thread and on two.
func (b *bench) small(ctx context.Context) error {
	for i, m := range smallModels {
		if !b.wanted(m.name) {
			continue
		}
		dir := filepath.Join(b.shared, "world-models", m.name)
		path := filepath.Join(dir, "model.onnx")
		if _, err := os.Stat(path); err != nil {
			b.say("small: %s %v", m.name, errMissing)
			continue
		}
		for _, threads := range []string{"1", "2"} {
			ours := []string{b.permafrost, "bench", path, "--batch", "1", "--threads", threads, "--steps", strconv.Itoa(m.steps), "--json"}
			cs := []contender{{name: "Permafrost", cmd: slices.Concat(ours, m.args), read: number("forward_ms_median")}}
			if b.ort != "" {
				cs = append(cs, contender{name: "ONNX Runtime", env: []string{"PERMAFROST_ORT=" + b.ort}, read: number("ms_median"),
					cmd: []string{"node", filepath.Join("bench", "peers", "ort_bench.mjs"), path, filepath.Join(dir, "test_data_set_0"), threads, fmt.Sprint(b.seconds)}})
			}
			for k := range cs {
				cs[k].alike = i > 0 || threads != "1"
			}
			ms, err := b.race(ctx, m.name+" on "+threads, cs)
			if err != nil {
				return err
			}
			b.results.put("small", row{Name: m.name + ", threads " + threads, Unit: "ms", Values: ms, Against: "ONNX Runtime", Least: 0.77, Aim: 0.91})
		}
	}
	return nil
}
