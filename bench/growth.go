package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// growth measures permafrost alone as one thing grows: epoch time against the number of examples,
// image size and thawed depth; memory against batch and thawed depth.
func (b *bench) growth(ctx context.Context) error {
	tmp, err := os.MkdirTemp("", "permafrost-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	depths := []string{"head", "last:1", "last:2", "last:4", "all"}
	type point struct {
		x              float64
		examples, size int
		batch          int
		thaw           string
	}
	series := []struct {
		name, x, y string
		points     []point
	}{
		{name: "time against examples", x: "examples, everything thawed", y: "seconds an epoch"},
		{name: "time against size", x: "pixels a side, everything thawed", y: "seconds an epoch"},
		{name: "time against depth", x: "thawed: 0 head, 1 last:1, 2 last:2, 3 last:4, 4 all", y: "seconds an epoch"},
		{name: "memory against batch", x: "batch, everything thawed", y: "MB"},
		{name: "memory against depth", x: "thawed: 0 head, 1 last:1, 2 last:2, 3 last:4, 4 all", y: "MB"},
	}
	for _, n := range []int{64, 128, 256, 512} {
		series[0].points = append(series[0].points, point{float64(n), n, 64, 16, "all"})
	}
	for _, s := range []int{32, 64, 96, 128} {
		series[1].points = append(series[1].points, point{float64(s), 128, s, 16, "all"})
	}
	for _, n := range []int{8, 16, 32, 64} {
		series[3].points = append(series[3].points, point{float64(n), 128, 64, n, "all"})
	}
	for i, d := range depths {
		p := point{float64(i), 128, 64, 16, d}
		series[2].points = append(series[2].points, p)
		series[4].points = append(series[4].points, p)
	}
	for _, s := range series {
		c := curve{Name: s.name, X: s.x, Y: s.y}
		for _, p := range s.points {
			data := filepath.Join(tmp, fmt.Sprintf("%d-%d", p.examples, p.size))
			if err := pictures(data, p.examples, p.size); err != nil {
				return err
			}
			n := networkOf(jobNetwork)
			n.size = p.size
			model, err := b.sized(ctx, n)
			if errors.Is(err, errMissing) {
				b.say("growth: %v", err)
				return nil
			} else if err != nil {
				return err
			}
			run := filepath.Join(tmp, "run")
			if err := os.RemoveAll(run); err != nil {
				return err
			}
			cmd := exec.CommandContext(ctx, b.permafrost, "fit", "--model", model, "--data", data, "--thaw", p.thaw, "--thaw", "head", "--epochs", "3",
				"--batch", strconv.Itoa(p.batch), "--threads", strconv.Itoa(b.threads), "--cache", "ram", "--preprocess", "imagenet", "--out", run, "--json")
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("%s at %g: %w: %s", s.name, p.x, err, lastLine(stderr.String()))
			}
			var r struct {
				EpochSeconds []float64 `json:"epoch_seconds"`
			}
			if err := json.Unmarshal(out, &r); err != nil {
				return err
			}
			y := float64(peakRSS(cmd.ProcessState)) / 1e6
			if s.y != "MB" {
				y = median(r.EpochSeconds)
			}
			b.say("%s: %g: %.4g %s", s.name, p.x, y, s.y)
			c.Points = append(c.Points, [2]float64{p.x, y})
		}
		b.results.curve(c)
	}
	return nil
}

// sized is the network exported for another image size.
func (b *bench) sized(ctx context.Context, n network) (string, error) {
	c := *b
	c.dir = filepath.Join(b.dir, strconv.Itoa(n.size))
	return c.model(ctx, n, true)
}

// pictures writes a folder of two classes of noise, for training and, a fourth as many, validation.
func pictures(dir string, count, size int) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, part := range []struct {
		name  string
		count int
	}{{"train", count}, {"val", count / 4}} {
		for i := range part.count {
			folder := filepath.Join(dir, part.name, []string{"a", "b"}[i%2])
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
			img := image.NewRGBA(image.Rect(0, 0, size, size))
			for j := range img.Pix {
				img.Pix[j] = uint8(r.IntN(256))
				if j%4 == 3 {
					img.Pix[j] = 255
				}
			}
			f, err := os.Create(filepath.Join(folder, fmt.Sprintf("%04d.png", i)))
			if err != nil {
				return err
			}
			if err := errors.Join(png.Encode(f, img), f.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}
