package permafrost_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"log"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost"
)

// plain is a picture of one colour.
func plain(c color.Color) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, 16, 16))
	for y := range 16 {
		for x := range 16 {
			m.Set(x, y, c)
		}
	}
	return m
}

func ExampleModel_PredictOne() {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	m, err := permafrost.Open(filepath.Join(fitted(dir, model, photos), "model.onnx"))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	// From as many goroutines as one likes.
	p, err := m.PredictOne(context.Background(), permafrost.Example{Image: plain(color.NRGBA{0, 0, 255, 255})})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Label, len(p.Logits), "scores")
	// Output: blue 3 scores
}

func ExampleReadModel() {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	file, err := os.ReadFile(filepath.Join(fitted(dir, model, photos), "model.onnx"))
	if err != nil {
		log.Fatal(err)
	}

	m, err := permafrost.ReadModel(bytes.NewReader(file), permafrost.WithThreads(1))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	fmt.Println(m.Task(), m.Kind(), m.Labels())
	// Output: classify picture [blue green red]
}

func ExampleFS() {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	files := os.DirFS(photos) // or an embed.FS, a zip.Reader, storage of one's own

	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Epochs = model, 2
	r, err := permafrost.Fit(context.Background(), cfg, permafrost.WithData(permafrost.FS(files, "."), permafrost.Data{}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Epochs, "epochs")
	// Output: 2 epochs
}

func ExampleExampleList() {
	dir, model, _ := pretrained()
	defer os.RemoveAll(dir)
	var examples []permafrost.Example
	for i := range uint8(10) {
		examples = append(examples,
			permafrost.Example{Image: plain(color.NRGBA{200 + i, 0, 0, 255}), Label: "warm"},
			permafrost.Example{Image: plain(color.NRGBA{0, 0, 200 + i, 255}), Label: "cold"})
	}

	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Out = model, filepath.Join(dir, "run")
	if _, err := permafrost.Fit(context.Background(), cfg, permafrost.WithData(permafrost.ExampleList(examples...), permafrost.Data{})); err != nil {
		log.Fatal(err)
	}
	m, err := permafrost.Open(filepath.Join(cfg.Out, "model.onnx"))
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	p, err := m.PredictOne(context.Background(), permafrost.Example{Image: plain(color.NRGBA{220, 20, 20, 255})})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Label)
	// Output: warm
}

func ExampleModel_Generate() {
	dir, model := languagePretrained()
	defer os.RemoveAll(dir)
	m, err := permafrost.Open(model)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	words := 0
	for piece, err := range m.Generate(context.Background(), "the cat", permafrost.Continuation{MaxTokens: 5}) {
		if err != nil {
			log.Fatal(err)
		}
		words += len(piece) // or send it to whoever reads
	}
	fmt.Println(words > 0)
	// Output: true
}
