// Command source trains on data of its own: the pictures of a tar archive, which are read as they
// come and never unpacked. A picture's folder is its label.
//
//	source MODEL.onnx PICTURES.tar OUT
package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"os"
	"path"

	"github.com/permafrost-ml/permafrost"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: source MODEL.onnx PICTURES.tar OUT")
	}
	f, err := os.Open(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Out = os.Args[1], os.Args[3]
	own := permafrost.WithData(permafrost.Examples(archive(f)), permafrost.Data{})
	r, err := permafrost.Fit(context.Background(), cfg, own, permafrost.WithProgress(os.Stderr))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d classes, %d pictures to learn from: accuracy %.1f%%\n", len(r.Classes), r.Examples, 100*r.ValAccuracy)
}

// archive yields the files of an archive as examples.
func archive(r io.Reader) iter.Seq2[permafrost.Example, error] {
	return func(yield func(permafrost.Example, error) bool) {
		for t := tar.NewReader(r); ; {
			h, err := t.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			var e permafrost.Example
			if err == nil {
				e.Name, e.Label = h.Name, path.Base(path.Dir(h.Name))
				e.Bytes, err = io.ReadAll(t)
			}
			if (err != nil || h.Typeflag == tar.TypeReg) && !yield(e, err) || err != nil {
				return
			}
		}
	}
}
