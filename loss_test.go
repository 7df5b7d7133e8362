package permafrost_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

// crossEntropy is what classify minimises.
func crossEntropy(b permafrost.LossBatch) float64 {
	n, loss := len(b.Classes), 0.0
	for i, class := range b.Classes {
		scores, gradient := b.Scores[i*b.Width:(i+1)*b.Width], b.Gradient[i*b.Width:(i+1)*b.Width]
		sum := 0.0
		for _, s := range scores {
			sum += math.Exp(float64(s))
		}
		for k, s := range scores {
			gradient[k] = float32(math.Exp(float64(s)) / sum / float64(n))
		}
		gradient[class] -= float32(1 / float64(n))
		loss += (math.Log(sum) - float64(scores[class])) / float64(n)
	}
	return loss
}

// absolute is the mean absolute error.
func absolute(b permafrost.LossBatch) float64 {
	n, loss := float64(len(b.Values)), 0.0
	for i, v := range b.Values {
		d := float64(b.Scores[i] - v)
		loss += math.Abs(d) / n
		b.Gradient[i] = float32(math.Copysign(1/n, d))
	}
	return loss
}

// TestWithLoss: the loss of a caller trains as the task's own where it is the same, and otherwise
// where it is not.
func TestWithLoss(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Epochs, cfg.Thaw, cfg.LR = model, photos, 3, []string{"all"}, 0.01
	fit := func(cfg permafrost.Config, opts ...permafrost.Option) *permafrost.Result {
		t.Helper()
		r, err := permafrost.Fit(t.Context(), cfg, opts...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	want, got := fit(cfg), fit(cfg, permafrost.WithLoss(crossEntropy))
	if math.Abs(got.TrainLoss-want.TrainLoss) > 1e-3*want.TrainLoss || math.Abs(got.ValLoss-want.ValLoss) > 1e-3*want.ValLoss {
		t.Errorf("losses %v and %v, want %v and %v", got.TrainLoss, got.ValLoss, want.TrainLoss, want.ValLoss)
	}
	mixed := cfg
	mixed.Mixup = 0.4
	want, got = fit(mixed), fit(mixed, permafrost.WithLoss(crossEntropy))
	if math.Abs(got.ValLoss-want.ValLoss) > 1e-3*want.ValLoss {
		t.Errorf("mixed: loss %v, want %v", got.ValLoss, want.ValLoss)
	}

	var table strings.Builder
	table.WriteString("file,label\n")
	files, err := filepath.Glob(filepath.Join(photos, "*", "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range files {
		fmt.Fprintf(&table, "%s,%v\n", path, float64(i%7)+0.5)
	}
	numbers := cfg
	numbers.Data = filepath.Join(dir, "numbers.csv")
	if err := os.WriteFile(numbers.Data, []byte(table.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	square, abs := fit(numbers), fit(numbers, permafrost.WithLoss(absolute))
	if square.ValMetric.Name != "rmse" || square.ValMetric.Value == abs.ValMetric.Value {
		t.Errorf("another loss leads to the same: %v", abs.ValMetric)
	}

	cfg.LabelSmoothing = 0.1
	var option *permafrost.OptionError
	if _, err := permafrost.Fit(t.Context(), cfg, permafrost.WithLoss(crossEntropy)); !errors.As(err, &option) || option.Option != "label_smoothing" {
		t.Errorf("an option of the loss that is replaced: %v", err)
	}
}
