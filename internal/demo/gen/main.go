// Command gen pretrains the built-in network on Latin letters and writes it as an ONNX file:
//
//	go generate ./internal/demo
//
// The same seed gives the same file on processors with the same vector instructions, however many
// there are.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/demo"
	"github.com/permafrost-ml/permafrost/internal/report"
)

func main() {
	out := flag.String("out", "letters.onnx", "file to write")
	each := flag.Int("each", 1000, "training pictures of each letter")
	epochs := flag.Int("epochs", 9, "passes over them")
	rate := flag.Float64("lr", 0.004, "highest learning rate")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := pretrain(ctx, *out, *each, *epochs, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

const seed = 1

func pretrain(ctx context.Context, out string, each, epochs int, rate float64) error {
	dir, err := os.MkdirTemp("", "letters")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data = filepath.Join(dir, "untrained.onnx"), filepath.Join(dir, "latin")
	cfg.Preprocess = "unit"
	cfg.Seed, cfg.Epochs, cfg.Batch, cfg.LR, cfg.Warmup = seed, epochs, 64, rate, 0.1
	if err := demo.Latin.Write(filepath.Join(cfg.Data, "train"), "train", seed, each); err != nil {
		return err
	}
	if err := demo.Latin.Write(filepath.Join(cfg.Data, "val"), "val", seed, 20); err != nil {
		return err
	}
	model, err := demo.Untrained(len(demo.Latin.Letters), seed, nil)
	if err != nil {
		return err
	}
	if err := os.WriteFile(cfg.Model, model, 0o666); err != nil {
		return err
	}
	return demo.Pretrain(ctx, cfg, out, report.NewProgress(os.Stderr))
}
