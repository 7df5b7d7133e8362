package tensorboard

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// read lists the records of a file, each as its step and the tag of its first value.
func read(t *testing.T, path string) (out []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := bufio.NewReader(f); ; {
		b, err := readRecord(r)
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		step, tag, err := head(b)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(step, " ", tag))
	}
}

// TestIndependent reads a file that other programs wrote, see testdata/write.js: framing, sums and
// fields are as they have them. What this package writes of the same values has the same bytes.
func TestIndependent(t *testing.T) {
	path := filepath.Join("testdata", "independent.tfevents")
	if got, want := read(t, path), []string{"0 ", "1 step/loss", "300 epoch/val_accuracy"}; !slices.Equal(got, want) {
		t.Errorf("records %q, want %q", got, want)
	}
	own := filepath.Join(t.TempDir(), "own")
	w, err := Create(own, time.UnixMicro(1700000000_500000))
	if err != nil {
		t.Fatal(err)
	}
	w.Write(time.UnixMicro(1700000001_250000), 1, Scalar("step/loss", 2.5), Scalar("step/learning_rate", 0.125))
	w.Write(time.Unix(1700000002, 0), 300, Scalar("epoch/val_accuracy", 0.75))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a, _ := os.ReadFile(path)
	b, _ := os.ReadFile(own)
	if !slices.Equal(a, b) {
		t.Errorf("wrote\n%x\nwant\n%x", b, a)
	}
}

// TestReopen: what is refused, and what follows a record that was cut or damaged, is left out, and
// writing goes on behind the rest.
func TestReopen(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		want   string
	}{
		"whole":       {func(b []byte) []byte { return b }, "0 ,1 a,3 a,9 new"},
		"cut":         {func(b []byte) []byte { return b[:len(b)-3] }, "0 ,1 a,9 new"},
		"cut at head": {func(b []byte) []byte { return append(b, 7, 0, 0) }, "0 ,1 a,3 a,9 new"},
		"damaged":     {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, "0 ,1 a,9 new"},
		"long":        {func(b []byte) []byte { return binary.LittleEndian.AppendUint64(b, 1<<60) }, "0 ,1 a,3 a,9 new"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), Name(now))
			w, err := Create(path, now)
			if err != nil {
				t.Fatal(err)
			}
			for step, tag := range []string{"x", "a", "b", "a"} {
				if step > 0 {
					w.Write(now, step, Scalar(tag, 1))
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			b, _ := os.ReadFile(path)
			if err := os.WriteFile(path, c.damage(b), 0o666); err != nil {
				t.Fatal(err)
			}
			if w, err = Reopen(path, func(_ int, tag string) bool { return tag != "b" }); err != nil {
				t.Fatal(err)
			}
			w.Write(now, 9, Scalar("new", 1))
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(read(t, path), ","); got != c.want {
				t.Errorf("records %s, want %s", got, c.want)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("no event file at all"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Reopen(path, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v does not name the file", err)
	}
}

func TestHistogram(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, c := range map[string]struct {
		of                        []float32
		min, max, num, sum, whole float64
	}{
		"several":    {[]float32{-1, 0, 0.5, 3}, -1, 3, 4, 2.5, 4},
		"equal":      {[]float32{2, 2, 2}, 2, 2, 3, 6, 3},
		"none":       {nil, 0, 0, 0, 0, 0},
		"not finite": {[]float32{nan, 1, inf, 2}, 1, 2, 2, 3, 2},
		"tiny":       {[]float32{1e-45, 3e-45}, float64(float32(1e-45)), float64(float32(3e-45)), 2, float64(float32(1e-45)) + float64(float32(3e-45)), 2},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[protowire.Number]float64{}
			var limits, counts []float64
			doubles := func(b []byte) (out []float64) {
				for len(b) > 0 {
					v, n := protowire.ConsumeFixed64(b)
					out, b = append(out, math.Float64frombits(v)), b[n:]
				}
				return out
			}
			err := fields(Histogram("h", c.of), func(n protowire.Number, _ uint64, b []byte) error {
				if n != valueHisto {
					return nil
				}
				for len(b) > 0 {
					n, kind, size := protowire.ConsumeTag(b)
					b = b[size:]
					if kind == protowire.Fixed64Type {
						v, size := protowire.ConsumeFixed64(b)
						got[n], b = math.Float64frombits(v), b[size:]
						continue
					}
					v, size := protowire.ConsumeBytes(b)
					b = b[size:]
					if n == histoLimits {
						limits = doubles(v)
					} else {
						counts = doubles(v)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			total := 0.0
			for _, n := range counts {
				total += n
			}
			if got[histoMin] != c.min || got[histoMax] != c.max || got[histoCount] != c.num || got[histoSum] != c.sum || total != c.whole {
				t.Errorf("%v with %g in the buckets, want %+v", got, total, c)
			}
			if len(limits) != len(counts) || !slices.IsSorted(limits) || limits[len(limits)-1] < c.max {
				t.Errorf("limits %g of %d buckets", limits, len(counts))
			}
		})
	}
}
