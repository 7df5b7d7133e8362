package feed

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
)

// Files implements the part of a Feed that deals with files. Feeds whose examples are files embed
// it.
type Files struct {
	kind  string
	media func(augment string) (*data.Media, error)
}

// NewFiles returns the Files of a kind. media returns the files and their Source, with training
// examples augmented as given.
func NewFiles(kind string, media func(augment string) (*data.Media, error)) Files {
	return Files{kind, media}
}

func (f Files) Kind() string { return f.kind }

func (f Files) Open(ctx context.Context, p data.Place, opt data.Options) (train, val *data.Dataset, err error) {
	m, err := f.media(opt.Augment)
	if err == nil {
		err = suits(f.kind, opt.Table, p, opt.Val)
	}
	if err != nil {
		return nil, nil, err
	}
	return data.Open(ctx, p, m, opt)
}

func (f Files) OpenEval(ctx context.Context, p data.Place, classes []string, opt data.Options) (*data.Dataset, error) {
	m, err := f.media("")
	if err == nil {
		err = suits(f.kind, opt.Table, p)
	}
	if err != nil {
		return nil, err
	}
	return data.OpenEval(ctx, p, classes, m, opt)
}

func (f Files) OpenInputs(ctx context.Context, p data.Place, opt data.Options) (*data.Dataset, error) {
	m, err := f.media("")
	if err != nil {
		return nil, err
	}
	if p.Kind != "" {
		if err := suits(f.kind, opt.Table, p); err != nil {
			return nil, err
		}
	}
	d, err := data.OpenInputs(ctx, p, m, opt)
	if err != nil && ctx.Err() == nil { // a file's content counts, not its name
		err = cmp.Or(suits(f.kind, opt.Table, p), err)
	}
	return d, err
}

func (f Files) FindFiles(paths []string) ([]string, error) {
	m, err := f.media("")
	if err != nil {
		return nil, err
	}
	return data.FindFiles(paths, m)
}

// FindPreprocess returns the preprocessor file that belongs to a model file: MODEL-without-.onnx +
// .preprocessor.json, else preprocessor_config.json beside it, else a processor_config.json or
// config.json there that says it, else "".
func FindPreprocess(modelPath string) string {
	if file := besideModel(modelPath, ".preprocessor.json", "preprocessor_config.json"); file != "" || modelPath == "" {
		return file
	}
	for _, dir := range foldersOf(modelPath) {
		for _, told := range [][]string{{"processor_config.json", "image_processor", "feature_extractor"}, {"config.json", "pretrained_cfg"}} {
			file := filepath.Join(dir, told[0])
			var keys map[string]json.RawMessage
			b, err := os.ReadFile(file)
			if err != nil || json.Unmarshal(b, &keys) != nil {
				continue
			}
			for _, key := range told[1:] {
				if keys[key] != nil {
					return file
				}
			}
		}
	}
	return ""
}

// besideModel returns the file that belongs to a model file: with the ending in place of .onnx,
// else the file called name in its folders, else "".
func besideModel(modelPath, ending, name string) string {
	if modelPath == "" {
		return ""
	}
	paths := []string{strings.TrimSuffix(modelPath, ".onnx") + ending}
	for _, dir := range foldersOf(modelPath) {
		paths = append(paths, filepath.Join(dir, name))
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}
