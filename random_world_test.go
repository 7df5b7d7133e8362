package permafrost_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// subject is a kind of data with what random configurations draw from for it.
type subject struct {
	name   string
	models []string          // the first has as many classes as the data
	tasks  []string          // those that it has data for, the first most likely
	data   map[string]string // by task
	names  []string          // selectors of its weights by name
	values []string          // that a head may read
	change []string          // specs of augment
	tokens bool              // its examples are tokens
	varies bool              // and have many lengths
}

// subjects makes tiny models and data of every kind in a folder.
func subjects(t *testing.T, dir string) []subject {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	answers := map[string][]string{"multilabel": {"cold", "cold|calm", ""}, "regress": {"-4", "1.5", "20"}}

	pictures := subject{name: "pictures", tasks: []string{"classify", "multilabel", "regress"}, data: map[string]string{"classify": path("pictures")},
		models: []string{path("pictures3.onnx"), path("pictures5.onnx")}, change: []string{"flip", "crop:0.7,color:0.3", "rand:1:4"},
		names:  []string{"blocks.1.*", "channels:blocks.1.conv.weight[0:4,-1]", "channels:blocks.0.conv.weight[2:]", "blocks.0.conv.weight"},
		values: []string{"/blocks.0/relu/Relu_output_0", "/blocks.1/relu/Relu_output_0", "/Flatten_output_0"}}
	must(fixture.WriteModel(pictures.models[0], 3, 1))
	must(fixture.WriteModel(pictures.models[1], 5, 2))
	must(fixture.WritePictures(path("pictures", "train"), 6, 3, 1))
	must(fixture.WritePictures(path("pictures", "val"), 3, 3, 2))

	texts := subject{name: "texts", tasks: []string{"classify", "multilabel", "regress"}, data: map[string]string{"classify": path("texts")}, tokens: true, varies: true,
		models: []string{path("texts.onnx"), path("alltexts.onnx")},
		names:  []string{"blocks.1.*", "blocks.0.query.weight", "rows:embeddings.word.weight[0:9]", "rows:embeddings.word.weight['cat']", "kind:embedding"},
		values: []string{"last_hidden_state", "/blocks.0/Add_1_output_0"}}
	must(fixture.WriteTextModel(texts.models[0], false, 3))
	must(fixture.WriteTextModel(texts.models[1], true, 4))
	must(os.MkdirAll(texts.data["classify"], 0o755))
	must(fixture.WriteTexts(texts.data["classify"], 6, 3))

	prose := subject{name: "prose", tasks: []string{"lm"}, data: map[string]string{"lm": path("prose")}, tokens: true, varies: true,
		models: []string{path("prose.onnx")}, names: append(texts.names, "lm_head.weight"), values: texts.values}
	must(fixture.WriteLanguageModel(prose.models[0], 5))
	must(fixture.WriteProse(prose.data["lm"], 30, 5))

	sounds := subject{name: "sounds", varies: true, tasks: []string{"classify", "multilabel", "regress", "ctc"}, data: map[string]string{"classify": path("sounds"), "ctc": path("transcripts")},
		models: []string{path("sounds3.onnx"), path("sounds5.onnx")}, change: []string{"noise:20", "gain:6,shift:0.01"},
		names:  []string{"conv1.*", "channels:conv0.weight[0:3]", "conv0.bias"},
		values: []string{"/conv0/Relu_output_0", "/Flatten_output_0"}}
	must(fixture.WriteSoundModel(sounds.models[0], 3, 6))
	must(fixture.WriteSoundModel(sounds.models[1], 5, 7))
	must(fixture.WriteSounds(sounds.data["classify"], 6, 6))
	must(fixture.WriteAnswers(sounds.data["classify"], sounds.data["ctc"], "text", []string{"a", "ba", "ab"}))

	files := subject{name: "files", tasks: []string{"classify", "multilabel", "regress"}, data: map[string]string{"classify": path("files")},
		models: []string{path("files3.onnx"), path("files5.onnx")},
		names:  []string{"conv.*", "rows:embedding.weight[0:90]", "kind:embedding"},
		values: []string{"/Relu_output_0", "/Flatten_output_0"}}
	must(fixture.WriteBytesModel(files.models[0], 3, 8))
	must(fixture.WriteBytesModel(files.models[1], 5, 9))
	must(fixture.WriteFiles(files.data["classify"], 6, 8))

	all := []subject{pictures, texts, prose, sounds, files}
	for _, s := range all {
		for task, labels := range answers {
			if from := s.data["classify"]; from != "" {
				s.data[task] = path(s.name + "-" + task)
				must(fixture.WriteAnswers(from, s.data[task], "label", labels))
			}
		}
	}
	return all
}
