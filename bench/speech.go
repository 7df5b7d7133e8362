package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// speech compares jobs on sounds and texts: a new head on a frozen speech embedding and on a frozen
// language model, from the start of the process to its end.
func (b *bench) speech(ctx context.Context) error {
	models, epochs := filepath.Join(b.shared, "models"), strconv.Itoa(b.epochs)
	tmp, err := os.MkdirTemp("", "permafrost-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, job := range []struct {
		data, model, script string
		args                []string
	}{
		{"spoken-digits", "speech-embedding.onnx", "torch_speech.py", []string{models}},
		{"trec", "stories260k.onnx", "torch_text.py", nil},
	} {
		if !b.wanted(job.data) {
			continue
		}
		model, data := filepath.Join(models, job.model), filepath.Join(b.shared, "data", job.data)
		missing := false
		for _, path := range []string{model, data} {
			if _, err := os.Stat(path); err != nil {
				b.say("%s: no %s (-shared names the folder of models and data)", job.data, path)
				missing = true
			}
		}
		if missing {
			continue
		}
		run, cache := filepath.Join(tmp, "run"), filepath.Join(tmp, "cache")
		ours := contender{
			name: "Permafrost", env: []string{"XDG_CACHE_HOME=" + cache}, read: seconds,
			cmd:    []string{b.permafrost, "fit", "--model", model, "--data", data, "--threads", strconv.Itoa(b.threads), "--out", run, "--epochs", epochs, "--json"},
			before: func() error { return errors.Join(os.RemoveAll(run), os.RemoveAll(cache)) },
		}
		for _, c := range []struct {
			name       string
			args       []string
			least, aim float64
		}{
			{fmt.Sprintf("%s, head, %s epochs", job.data, epochs), nil, 10, 10},
			{fmt.Sprintf("%s, head, %s epochs, PyTorch's features cached by hand", job.data, epochs), []string{"--cached"}, 1, 1.3},
		} {
			peers := b.torch(seconds, job.script, slices.Concat(job.args, []string{data, "--epochs", epochs}, c.args)...)
			s, err := b.race(ctx, c.name, append([]contender{ours}, peers...))
			if err != nil {
				return err
			}
			b.results.put("speech", row{Name: c.name, Unit: "s", Values: s, Against: "PyTorch", Least: c.least, Aim: c.aim})
		}
	}
	return nil
}
