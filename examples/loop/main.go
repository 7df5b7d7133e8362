// Command loop trains with a loop of its own: a new head until it stops getting better, then the
// last block of the model too.
//
//	loop MODEL.onnx DATA OUT
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/permafrost-ml/permafrost"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: loop MODEL.onnx DATA OUT")
	}
	ctx := context.Background()
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out = os.Args[1], os.Args[2], os.Args[3]
	cfg.Thaw = []string{"head", "last:1"} // all that may ever train
	cfg.Epochs, cfg.LR = 30, 0.003
	t, err := permafrost.NewTrainer(ctx, cfg)
	check(err)
	defer t.Close()
	best, over := 0.0, false
	for _, thaw := range [][]string{{"head"}, {"head", "last:1"}} {
		if !over {
			check(t.Replan(thaw...))
		}
		for stale := 0; stale < 3 && !over; stale++ {
			for i := 0; i < 20 && !over; i++ {
				_, err := t.Step(ctx)
				if over = errors.Is(err, io.EOF); !over { // EOF: the last epoch has ended
					check(err)
				}
			}
			now, err := t.Eval(ctx)
			check(err)
			fmt.Printf("training %v: accuracy %.1f%%\n", thaw, 100*now.Accuracy)
			if now.Accuracy > best {
				best, stale = now.Accuracy, -1
			}
		}
	}
	r, err := t.Finish(ctx)
	check(err)
	fmt.Printf("%.1f%% after %d epochs, in %s\n", 100*r.ValAccuracy, r.Epochs, r.Out)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
