package permafrost_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost"
)

func Example() {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	ctx := context.Background()

	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out = model, photos, filepath.Join(dir, "run")
	result, err := permafrost.Fit(ctx, cfg)
	if err != nil {
		log.Fatal(err)
	}
	tuned := filepath.Join(result.Out, "model.onnx")
	proof, err := permafrost.Verify(model, tuned, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("accuracy %.0f%%, %d of %d frozen tensors changed\n", 100*result.ValAccuracy, len(proof.Changed), proof.Frozen)
	// Output: accuracy 100%, 0 of 10 frozen tensors changed
}

func ExampleFit() {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)

	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data = model, photos // no Out: nothing is written
	cfg.Thaw = []string{"head", "last:1", "!kind:norm"}
	cfg.Epochs, cfg.LR = 4, 0.01
	result, err := permafrost.Fit(context.Background(), cfg, permafrost.OnEvent(epochs))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.ParamsThawed, "parameters trained")
	// Output:
	// epoch 1
	// epoch 2
	// epoch 3
	// epoch 4
	// 903 parameters trained
}

// epochs prints when an epoch begins.
func epochs(e permafrost.Event) {
	if e, ok := e.(*permafrost.EpochStart); ok {
		fmt.Println("epoch", e.Epoch)
	}
}

func ExampleResume() {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)

	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out = model, photos, filepath.Join(dir, "run")
	cfg.Thaw, cfg.Epochs = []string{"all"}, 6
	ctx, cancel := context.WithCancel(context.Background())
	stop := func(e permafrost.Event) {
		if e, ok := e.(*permafrost.EpochStart); ok && e.Epoch == 2 {
			cancel()
		}
	}
	_, err := permafrost.Fit(ctx, cfg, permafrost.OnEvent(stop))
	fmt.Println(errors.Is(err, permafrost.ErrInterrupted))

	cfg, err = permafrost.LoadRun(cfg.Out)
	if err != nil {
		log.Fatal(err)
	}
	result, err := permafrost.Resume(context.Background(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Epochs, "epochs")
	// Output:
	// true
	// 6 epochs
}

func ExampleNewPlan() {
	dir, model, _ := pretrained()
	defer os.RemoveAll(dir)

	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Thaw = model, []string{"blocks.1.*"}
	plan, err := permafrost.NewPlan(context.Background(), cfg, 3)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range plan.Params {
		fmt.Println(p.State, p.Name)
	}
	// Output:
	// frozen blocks.0.conv.weight
	// frozen blocks.0.norm.weight
	// frozen blocks.0.norm.bias
	// frozen blocks.0.norm.running_mean
	// frozen blocks.0.norm.running_var
	// thawed blocks.1.conv.weight
	// thawed blocks.1.norm.weight
	// thawed blocks.1.norm.bias
	// tracking blocks.1.norm.running_mean
	// tracking blocks.1.norm.running_var
	// thawed head.linear.weight
	// thawed head.linear.bias
}

func ExampleInspect() {
	dir, model, _ := pretrained()
	defer os.RemoveAll(dir)

	cfg := permafrost.DefaultConfig()
	cfg.Model = model
	in, err := permafrost.Inspect(context.Background(), cfg, permafrost.InspectOptions{Classes: 3, Examples: 500, Predict: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range in.Layers {
		fmt.Printf("%-13s %-18s %3d %s\n", l.Name, l.Op, l.Params, l.State)
	}
	fmt.Println("frontier:", in.Frontier)
	fmt.Println("kept for each example:", in.Predicted.CachePerExample, "bytes")
	// Output:
	// blocks.0.conv Conv               216 frozen
	// blocks.0.norm BatchNormalization  16 frozen
	// blocks.1.conv Conv               864 frozen
	// blocks.1.norm BatchNormalization  24 frozen
	// head.linear   Gemm                39 thawed
	// frontier: [/Flatten_output_0]
	// kept for each example: 48 bytes
}

func ExampleVerify() {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	tuned := filepath.Join(fitted(dir, model, photos), "model.onnx")

	v, err := permafrost.Verify(model, tuned, "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("identical:", v.Identical)
	fmt.Println("added:", v.Added)
	// Output:
	// identical: true
	// added: [head.linear.weight head.linear.bias]
}

func ExampleOpen() {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)

	m, err := permafrost.Open(filepath.Join(fitted(dir, model, photos), "model.onnx"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Labels())
	// Output: [blue green red]
}

func ExampleModel_Predict() {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	m, err := permafrost.Open(filepath.Join(fitted(dir, model, photos), "model.onnx"))
	if err != nil {
		log.Fatal(err)
	}

	found, skipped, err := m.Predict(context.Background(), permafrost.Files(filepath.Join(photos, "red", "03.png")))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found[0].Label, len(found[0].Top), len(skipped))
	// Output: red 3 0
}

func ExampleModel_Eval() {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	m, err := permafrost.Open(filepath.Join(fitted(dir, model, photos), "model.onnx"))
	if err != nil {
		log.Fatal(err)
	}

	e, err := m.Eval(context.Background(), permafrost.Folder(photos))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.Examples, e.Accuracy)
	// Output: 36 1
}

func ExampleExtractDelta() {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	tuned := filepath.Join(fitted(dir, model, photos), "model.onnx")

	delta, again := filepath.Join(dir, "photos.safetensors"), filepath.Join(dir, "again.onnx")
	if _, err := permafrost.ExtractDelta(model, tuned, delta); err != nil {
		log.Fatal(err)
	}
	if err := permafrost.ApplyDelta(model, delta, again); err != nil {
		log.Fatal(err)
	}
	a, _ := os.ReadFile(tuned)
	b, _ := os.ReadFile(again)
	fmt.Println("the same bytes:", string(a) == string(b))
	// Output: the same bytes: true
}

func ExampleBench() {
	dir, model, _ := pretrained()
	defer os.RemoveAll(dir)

	cfg := permafrost.DefaultConfig()
	cfg.Model = model
	r, err := permafrost.Bench(context.Background(), cfg, permafrost.BenchOptions{Batch: 4, Steps: 2, Classes: 3})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Head, r.FLOPs > 4*2*(216+864)*64, r.ForwardMin > 0 && *r.StepMin > 0)
	// Output: keep true true
}
