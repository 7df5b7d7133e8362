package permafrost_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
)

// BenchmarkPredict asks a tuned MobileNet about photographs, one at a time, from so many
// goroutines: decoding, resizing, the network. It reports photographs a second, the processor's
// time for each, and the largest memory of the process while it ran.
func BenchmarkPredict(b *testing.B) {
	folder := shared.Path(b, "data", "ants-bees")
	photos, err := filepath.Glob(filepath.Join(folder, "val", "*", "*.jpg"))
	if err != nil || len(photos) == 0 {
		b.Fatalf("no photographs: %v", err)
	}
	m := tunedModel(b, func(dir string, cfg *permafrost.Config) error {
		cfg.Model, cfg.Data = shared.Path(b, "models", "mobilenetv1-imagenet-trunk.onnx"), folder
		return nil
	})
	var examples []permafrost.Example
	for _, path := range photos {
		file, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		examples = append(examples, permafrost.Example{Bytes: file})
	}
	for _, goroutines := range []int{1, 2, 8, 64} {
		b.Run(fmt.Sprint("goroutines=", goroutines), func(b *testing.B) {
			debug.FreeOSMemory()
			forgetPeak()
			began := cpu()
			var next atomic.Int64
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
						if _, err := m.PredictOne(context.Background(), examples[i%len(examples)]); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "photos/s")
			b.ReportMetric(1000*(cpu()-began).Seconds()/float64(b.N), "cpu-ms/photo")
			b.ReportMetric(peak(), "peak-MB")
		})
	}
}

// cpu is how long the process has had a processor.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// forgetPeak lets Linux measure the largest memory of the process anew.
func forgetPeak() { os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) } //nolint:errcheck // then the peak is that of before

// peak is the largest memory of the process in MB.
func peak() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	kB, err := strconv.Atoi(string(found[1]))
	if err != nil {
		return 0
	}
	return float64(kB) / 1000
}
