package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// files are the model and the training and validation data of a pair, with a share of the training
// examples, and as the pair changes them.
func (d *driver) files(ctx context.Context, p pair, share int) (model, train, val string, err error) {
	if model, train, val, err = d.given(ctx, p, share); err == nil && p.change != nil {
		name := strings.NewReplacer(" ", "-", ",", "").Replace(p.name)
		train, val, err = d.made(fmt.Sprintf("%s-%d", name, share), p.change, train, val)
	}
	return model, train, val, err
}

// given are those before a pair changes them.
func (d *driver) given(ctx context.Context, p pair, share int) (model, train, val string, err error) {
	data := filepath.Join(d.shared, "data", p.data)
	model = filepath.Join(d.shared, "models", p.model)
	if p.model == "" {
		story, err := d.demo(ctx)
		if err != nil {
			return "", "", "", err
		}
		data, model = filepath.Join(story, p.data), filepath.Join(story, "letters.onnx")
	}
	if train, err = filepath.Abs(filepath.Join(data, "train")); err != nil {
		return "", "", "", err
	}
	val = filepath.Join(filepath.Dir(train), "val")
	if _, err := os.Stat(train + ".csv"); err == nil {
		train, val = train+".csv", val+".csv"
	}
	if share == 100 {
		return model, train, val, nil
	}
	to := filepath.Join(d.tmp, fmt.Sprintf("%s-%d", p.data, share))
	if filepath.Ext(train) == ".csv" {
		to += ".csv"
	}
	if _, err := os.Stat(to); err == nil {
		return model, to, val, nil
	}
	if filepath.Ext(train) == ".csv" {
		return model, to, val, thinTable(train, to, share)
	}
	return model, to, val, thinFolder(train, to, share)
}

// demo tells the demo's story once and returns its folder, which holds the model and the letters.
func (d *driver) demo(ctx context.Context) (string, error) {
	out := filepath.Join(d.tmp, "demo")
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	part := out + ".part"
	if err := os.RemoveAll(part); err != nil {
		return "", err
	}
	if text, err := exec.CommandContext(ctx, d.binary, "demo", "--out", part, "--json").CombinedOutput(); err != nil {
		return "", fmt.Errorf("demo: %w\n%s", err, text)
	}
	return out, os.Rename(part, out)
}

// kept reports whether the k-th of a list is in a share of it, evenly spread: the first always.
func kept(k, share int) bool { return k == 0 || k*share/100 != (k-1)*share/100 }

// thinFolder links a share of the files of every class folder into a new folder.
func thinFolder(from, to string, share int) error {
	part := to + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	classes, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, c := range classes {
		files, err := os.ReadDir(filepath.Join(from, c.Name()))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(part, c.Name()), 0o777); err != nil {
			return err
		}
		for k, f := range files {
			if !kept(k, share) {
				continue
			}
			if err := os.Symlink(filepath.Join(from, c.Name(), f.Name()), filepath.Join(part, c.Name(), f.Name())); err != nil {
				return err
			}
		}
	}
	return os.Rename(part, to)
}

// thinTable writes a share of the rows of a table.
func thinTable(from, to string, share int) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return err
	}
	var some [][]string
	for k, row := range rows {
		if k == 0 || kept(k-1, share) {
			some = append(some, row)
		}
	}
	g, err := os.Create(to + ".part")
	if err != nil {
		return err
	}
	w := csv.NewWriter(g)
	if err := w.WriteAll(some); err != nil {
		g.Close()
		return err
	}
	if err := g.Close(); err != nil {
		return err
	}
	return os.Rename(to+".part", to)
}
