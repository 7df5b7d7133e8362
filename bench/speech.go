package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// speech compares jobs on sounds: a new head on a frozen speech embedding, from the start of the process to its end.
func (b *bench) speech(ctx context.Context) error {
	models, data := filepath.Join(b.shared, "models"), filepath.Join(b.shared, "data", "spoken-digits")
	model := filepath.Join(models, "speech-embedding.onnx")
	for _, path := range []string{model, data} {
		if _, err := os.Stat(path); err != nil {
			b.say("speech: no %s (-shared names the folder of models and data)", path)
			return nil
		}
	}
	tmp, err := os.MkdirTemp("", "permafrost-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	run, cache := filepath.Join(tmp, "run"), filepath.Join(tmp, "cache")
	epochs := strconv.Itoa(b.epochs)
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
		{fmt.Sprintf("spoken-digits, head, %s epochs", epochs), nil, 10, 10},
		{fmt.Sprintf("spoken-digits, head, %s epochs, PyTorch's features cached by hand", epochs), []string{"--cached"}, 1, 1.3},
	} {
		peers := b.torch(seconds, "torch_speech.py", append([]string{models, data, "--epochs", epochs}, c.args...)...)
		s, err := b.race(ctx, c.name, append([]contender{ours}, peers...))
		if err != nil {
			return err
		}
		b.results.put("speech", row{Name: c.name, Unit: "s", Values: s, Against: "PyTorch", Least: c.least, Aim: c.aim})
	}
	return nil
}
