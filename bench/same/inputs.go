package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// makeInputs fills a folder with models and data, unless it has them already. It reports whether
// those of the shared folder are among them.
func makeInputs(ctx context.Context, program, dir, shared string) (haveShared bool, err error) {
	_, err = os.Stat(filepath.Join(shared, "models"))
	haveShared = err == nil
	if _, err := os.Stat(dir); err == nil {
		return haveShared, nil
	}
	part := dir + ".part" // an interrupted making is begun anew
	if err := os.RemoveAll(part); err != nil {
		return false, err
	}
	if err := os.MkdirAll(part, 0o755); err != nil {
		return false, err
	}
	if err := letters(ctx, program, part); err != nil {
		return false, fmt.Errorf("inputs of the demo: %w", err)
	}
	if haveShared {
		if err := fromShared(shared, part); err != nil {
			return false, fmt.Errorf("inputs from %s: %w", shared, err)
		}
	}
	return haveShared, os.Rename(part, dir)
}

// letters makes letters.onnx, a few pictures of its demo in class folders, and tables of the same
// with several labels (tags) and with numbers.
func letters(ctx context.Context, program, dir string) error {
	story := filepath.Join(dir, "demo")
	if text, err := exec.CommandContext(ctx, program, "demo", "--out", story, "--json").CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, text)
	}
	err := errors.Join(
		copyFile(filepath.Join(story, "letters.onnx"), filepath.Join(dir, "letters.onnx")),
		someOf(filepath.Join(story, "greek", "train"), filepath.Join(dir, "pictures", "train"), 8, 10),
		someOf(filepath.Join(story, "greek", "val"), filepath.Join(dir, "pictures", "val"), 8, 5),
		someOf(filepath.Join(story, "latin"), filepath.Join(dir, "latin"), 45, 4),
		os.RemoveAll(story))
	if err != nil {
		return err
	}
	for _, part := range []string{"train", "val"} {
		tags, numbers := []string{"file,label"}, []string{"file,label"}
		classes, err := names(filepath.Join(dir, "pictures", part))
		if err != nil {
			return err
		}
		for c, class := range classes {
			found, err := names(filepath.Join(dir, "pictures", part, class))
			if err != nil {
				return err
			}
			for _, name := range found {
				file := filepath.ToSlash(filepath.Join("..", "pictures", part, class, name))
				labels := slices.DeleteFunc([]string{"odd", "high", "third"}, func(l string) bool {
					return l == "odd" && c%2 == 0 || l == "high" && c < 4 || l == "third" && c%3 > 0
				})
				tags = append(tags, file+","+strings.Join(labels, "|"))
				numbers = append(numbers, fmt.Sprintf("%s,%g", file, 1.5*float64(c)-4))
			}
		}
		if err := errors.Join(writeLines(filepath.Join(dir, "tags", part+".csv"), tags),
			writeLines(filepath.Join(dir, "numbers", part+".csv"), numbers)); err != nil {
			return err
		}
	}
	return nil
}

// fromShared copies models and a little of the data that the demo has none of: texts, sounds,
// bytes.
func fromShared(shared, dir string) error {
	models := filepath.Join(shared, "models")
	for _, name := range []string{"stories260k.onnx", "stories260k.tokenizer.json", "speech-embedding.onnx", "speech-embedding.preprocessor.json", "speech-mel.onnx", "magika-v3.onnx"} {
		if err := copyFile(filepath.Join(models, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for part, few := range map[string]int{"train": 1, "val": 2} { // of what is taken for training, val has a half
		text, err := os.ReadFile(filepath.Join(shared, "data", "trec", part+".csv"))
		if err != nil {
			return err
		}
		lines := strings.Split(string(text), "\n")
		if err := errors.Join(
			writeLines(filepath.Join(dir, "texts", part+".csv"), lines[:1+100/few]),
			writeLines(filepath.Join(dir, "prose", part+".txt"), lines[1:1+60/few]),
			someOf(filepath.Join(shared, "data", "spoken-digits", part), filepath.Join(dir, "sounds", part), 4, 8/few)); err != nil {
			return err
		}
		rows := []string{"file,text"}
		for c, word := range []string{"o", "i", "io", "oi"} {
			found, err := names(filepath.Join(dir, "sounds", part, fmt.Sprint(c)))
			if err != nil {
				return err
			}
			for i, name := range found {
				from := filepath.Join(dir, "sounds", part, fmt.Sprint(c), name)
				rows = append(rows, fmt.Sprintf("../sounds/%s/%d/%s,%s", part, c, name, word))
				if c == 0 {
					if err := copyFile(from, filepath.Join(dir, "files", part, "sound", name)); err != nil {
						return err
					}
					excerpt := lines[1+40*i : 41+40*i]
					if err := writeLines(filepath.Join(dir, "files", part, "table", fmt.Sprintf("%d.csv", i)), excerpt); err != nil {
						return err
					}
				}
			}
		}
		if err := writeLines(filepath.Join(dir, "transcripts", part+".csv"), rows); err != nil {
			return err
		}
		classes, err := names(filepath.Join(dir, "pictures", part))
		if err != nil {
			return err
		}
		if err := someOf(filepath.Join(dir, "pictures", part, classes[0]), filepath.Join(dir, "files", part, "picture"), 0, 8/few); err != nil {
			return err
		}
	}
	return nil
}

// someOf copies the first files of each of the first class folders; with no classes, of the folder
// itself.
func someOf(from, to string, classes, each int) error {
	found, err := names(from)
	if err != nil {
		return err
	}
	if classes == 0 {
		for _, name := range found[:min(each, len(found))] {
			if err := copyFile(filepath.Join(from, name), filepath.Join(to, name)); err != nil {
				return err
			}
		}
		return nil
	}
	for _, class := range found[:min(classes, len(found))] {
		if err := someOf(filepath.Join(from, class), filepath.Join(to, class), 0, each); err != nil {
			return err
		}
	}
	return nil
}

// names lists what a folder holds, in order.
func names(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Name()
	}
	return out, nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return writeFile(to, b)
}

func writeLines(path string, lines []string) error {
	return writeFile(path, []byte(strings.Join(lines, "\n")+"\n"))
}

func writeFile(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, b, 0o644); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
