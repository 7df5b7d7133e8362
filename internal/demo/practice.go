package demo

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Practice writes a pretrained model and data to practise on to a folder, which must be new or
// empty: of kind "pictures", the model letters.onnx and the alphabets of Material; of kind "texts",
// topics.onnx and tables of messages; of kind "sounds", sounds.onnx and class folders. The last two
// models are trained while they are written, which takes seconds. Everything is made up, from the
// seed; 0 is 1.
func Practice(ctx context.Context, kind, dir string, seed uint64) error {
	if _, err := folder(dir); err != nil {
		return err
	}
	seed = cmp.Or(seed, 1)
	switch kind {
	case "pictures":
		return standard.write(ctx, dir, seed)
	case "texts":
		return writeTexts(ctx, dir, seed)
	case "sounds":
		return writeSounds(ctx, dir, seed)
	}
	return fmt.Errorf("there is nothing to practise on of the kind %q: it is pictures, texts or sounds", kind)
}

// Pretrain trains all of the network that c names on its data and writes the tuned file to out. The
// file carries its labels and its preparation, and needs nothing else.
func Pretrain(ctx context.Context, c config.Config, out string, sinks ...report.Sink) error {
	c.Thaw, c.Head, c.Keep, c.Cache = []string{"all"}, "keep", "last", "ram"
	s, err := run.Prepare(ctx, c)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "permafrost-pretrain")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	to, err := run.CreateRunDir(filepath.Join(dir, "run"), &s.Config)
	if err != nil {
		return err
	}
	if _, err := s.Fit(ctx, to, false, sinks...); err != nil {
		return err
	}
	b, err := os.ReadFile(to.File(run.ModelFile))
	if err != nil {
		return err
	}
	return os.WriteFile(out, b, 0o666)
}
