package feed

import (
	"context"
	"os"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/data/picture"
)

// The opening of data sets of pictures, by a pipeline or, with nil, one of 8 by 8 pixels.

func pipeline(t testing.TB, preset string, c, h, w int) *picture.Pipeline {
	t.Helper()
	p, ok := picture.Preset(preset)
	if !ok {
		t.Fatalf("no preset %s", preset)
	}
	pl, err := p.For(c, h, w)
	if err != nil {
		t.Fatal(err)
	}
	return pl
}

func feedPictures(t testing.TB, pl *picture.Pipeline) *Pictures {
	t.Helper()
	if pl == nil {
		pl = pipeline(t, "unit", 3, 8, 8)
	}
	f := &Pictures{Pipeline: pl, input: "x"}
	f.Files = NewFiles(KindPicture, f.media)
	return f
}

func openPictures(t testing.TB, path string, pl *picture.Pipeline, opt data.Options) (train, val *data.Dataset, err error) {
	return feedPictures(t, pl).Open(context.Background(), at(path), opt)
}

// at is a place on the disk; none for "".
func at(path string) data.Place { return data.Place{Path: path} }

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
