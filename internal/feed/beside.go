package feed

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data/picture"
)

// The files beside a tuned file that say how its input is prepared, in the formats of Hugging Face,
// for programs that do not read the tuned file's record. A model without a record that lies beside
// them is fed by them.
const (
	PreprocessFile      = "preprocessor_config.json"
	FrontEndFile        = "frontend.onnx" // of sounds, named by the preprocessor file
	TokenizerFile       = "tokenizer.json"
	TokenizerConfigFile = "tokenizer_config.json"
)

// besideFiles are the names that files beside a model may have, besideEndings what may stand in place
// of the model's .onnx.
var (
	besideFiles   = []string{PreprocessFile, "processor_config.json", "config.json", "labels.txt", TokenizerFile, TokenizerConfigFile}
	besideEndings = []string{".preprocessor.json", ".tokenizer.json", ".config.json", ".labels.txt"}
)

// foldersOf lists the folders of the files that belong to a model: its own and, as repositories of
// the Hugging Face hub have a folder onnx for the model alone, the one above that.
func foldersOf(modelPath string) []string {
	dir := filepath.Dir(modelPath)
	if filepath.Base(dir) == "onnx" {
		return []string{dir, filepath.Dir(dir)}
	}
	return []string{dir}
}

// IsBeside reports whether a file would be read to say how a model is fed.
func IsBeside(modelPath, file string) bool {
	if slices.Contains(foldersOf(modelPath), filepath.Dir(file)) && slices.Contains(besideFiles, filepath.Base(file)) {
		return true
	}
	ending, ok := strings.CutPrefix(file, strings.TrimSuffix(modelPath, ".onnx"))
	return ok && slices.Contains(besideEndings, ending)
}

// FrontEndOf returns the path of the model that a preprocessor file names as its front end, "" if it
// names none.
func FrontEndOf(preprocessor string) string {
	var c struct{ Frontend string }
	b, err := os.ReadFile(preprocessor)
	if err != nil || filepath.Ext(preprocessor) != ".json" || json.Unmarshal(b, &c) != nil || c.Frontend == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(preprocessor), c.Frontend)
}

// FilesOf lists the files that say how a model is fed, those that the options name and those beside
// the model: with them and the model file, a feed is made anywhere else.
func FilesOf(modelPath string, o Options) []string {
	var files []string
	add := func(path string) bool {
		info, err := os.Stat(path)
		is := path != "" && err == nil && info.Mode().IsRegular()
		if is && !slices.Contains(files, path) {
			files = append(files, path)
		}
		return is
	}
	stem := strings.TrimSuffix(modelPath, ".onnx")
	for _, ending := range besideEndings {
		add(stem + ending)
	}
	for _, path := range []string{modelPath, o.Preprocess, o.Text.Tokenizer} {
		if path != modelPath && !add(path) {
			continue // a preset, or none
		}
		for _, dir := range foldersOf(path) {
			for _, name := range besideFiles {
				add(filepath.Join(dir, name))
			}
		}
	}
	for _, path := range files {
		add(FrontEndOf(path))
	}
	for _, text := range o.Sides.Inputs {
		if _, value, ok := strings.Cut(text, "="); ok {
			add(value)
		}
	}
	return files
}

// Beside returns the files for a feed by name. There are none for kinds of data that need none.
func Beside(f Feed) (map[string][]byte, error) {
	if b, ok := f.(interface {
		beside() (map[string][]byte, error)
	}); ok {
		return b.beside()
	}
	return nil, nil
}

// beside returns the preprocessor file, with every size and one mean and deviation for each channel.
func (f *Pictures) beside() (map[string][]byte, error) {
	p := f.Preprocess
	p.Mean, p.Std = perColour(p.Mean, f.Channels), perColour(p.Std, f.Channels)
	b, err := indented(p)
	return map[string][]byte{PreprocessFile: b}, err
}

// perColour repeats a single number for each channel but opacity.
func perColour(v picture.PerChannel, channels int) picture.PerChannel {
	if len(v) != 1 {
		return v
	}
	return slices.Repeat(v, channels-1+channels%2)
}

// beside returns the preprocessor file, and the front end if it is a model.
func (f *Sounds) beside() (map[string][]byte, error) {
	files := map[string][]byte{}
	c := f.Pipeline.Config
	if f.front != nil {
		c.Frontend = FrontEndFile
		files[FrontEndFile] = f.front.Source()
	}
	var err error
	files[PreprocessFile], err = indented(c)
	return files, err
}

// beside returns the tokenizer, and the length and the sides at which texts are cut and padded.
func (f *Texts) beside() (map[string][]byte, error) {
	config := map[string]any{"model_max_length": f.most}
	if f.sides.Truncation != "" {
		config["truncation_side"] = f.sides.Truncation
	}
	if f.sides.Padding != "" {
		config["padding_side"] = f.sides.Padding
	}
	b, err := indented(config)
	return map[string][]byte{TokenizerFile: f.file, TokenizerConfigFile: b}, err
}

// beside returns what is taken off the numbers and what they are divided by, if anything is.
func (f *Vectors) beside() (map[string][]byte, error) {
	if len(f.scale.Mean) == 0 && len(f.scale.Std) == 0 {
		return nil, nil
	}
	b, err := indented(f.scale)
	return map[string][]byte{PreprocessFile: b}, err
}

func indented(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	return append(b, '\n'), err
}
