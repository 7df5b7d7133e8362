// Command personalise teaches a model its user's own things from ten pictures, in memory: nothing
// is written. It learns five pictures of each of two folders, and names the others.
//
//	personalise MODEL.onnx FOLDER FOLDER
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: personalise MODEL.onnx FOLDER FOLDER")
	}
	ctx := context.Background()
	var learn, others []permafrost.Example
	for _, folder := range os.Args[2:] {
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		check(err)
		for i, path := range files {
			b, err := os.ReadFile(path)
			check(err)
			if e := (permafrost.Example{Bytes: b, Label: filepath.Base(folder)}); i < 5 {
				learn = append(learn, e)
			} else {
				others = append(others, e)
			}
		}
	}
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Keep = os.Args[1], "last"
	own := permafrost.ExampleList(learn...)
	t, err := permafrost.NewTrainer(ctx, cfg, permafrost.WithData(own, own)) // too few to hold any out
	check(err)
	for _, err := range t.Steps(ctx) {
		check(err)
	}
	m, err := t.Model()
	check(err)
	right := 0
	for _, e := range others {
		if p, err := m.PredictOne(ctx, e); err == nil && p.Label == e.Label {
			right++
		}
	}
	fmt.Printf("learned %v from %d pictures: %d of %d others named right\n", m.Labels(), len(learn), right, len(others))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
