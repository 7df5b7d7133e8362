package feed

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/data/sound"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// writeTone writes a 16-bit WAV file of a sine.
func writeTone(t *testing.T, path string, hertz float64, samples int) {
	t.Helper()
	le := binary.LittleEndian
	b := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"), 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0)
	b = le.AppendUint32(append(b, "data"...), uint32(2*samples))
	for i := range samples {
		b = le.AppendUint16(b, uint16(int16(20000*math.Sin(hertz*2*math.Pi*float64(i)/8000))))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// toneFolder makes two classes of n tones each, of growing length.
func toneFolder(t *testing.T, n int) string {
	dir := t.TempDir()
	for c, class := range []string{"high", "low"} {
		for i := range n {
			writeTone(t, filepath.Join(dir, class, fmt.Sprintf("%02d.wav", i)), 400-300*float64(c)+float64(i), 100+40*i)
		}
	}
	return dir
}

// waves are windows of 100 samples every 50.
func waves(t *testing.T) *Sounds {
	t.Helper()
	c, err := sound.Parse([]byte(`{"sampling_rate": 8000, "window": 100, "hop": 50}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.For(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := &Sounds{Pipeline: p, input: "x", row: tensor.Shape{1, 100}}
	f.Files = NewFiles(KindSound, f.media)
	return f
}

// values reads a whole Dataset in one order.
func values(t *testing.T, d *data.Dataset, epoch int) []float32 {
	t.Helper()
	var out []float32
	for b, err := range d.Loader(3).Batches(context.Background(), data.FileOrder(d.Len()), epoch) {
		if err != nil {
			t.Fatal(err)
		}
		if s := b.Inputs[0].Shape; !s.Equal(tensor.Shape{len(b.Indices) * b.Length, 1, 100}) {
			t.Fatalf("%d examples of %d windows are %v", len(b.Indices), b.Length, s)
		}
		for k, i := range b.Indices {
			row := b.Inputs[0].F32()[k*b.Length*100 : (k+1)*b.Length*100]
			out = append(out, row[:d.Length(i)*100]...)
			if slices.ContainsFunc(row[d.Length(i)*100:], func(v float32) bool { return v != 0 }) {
				t.Fatal("padding is not silent")
			}
		}
	}
	return out
}

func TestSounds(t *testing.T) {
	dir := toneFolder(t, 20)
	writeTone(t, filepath.Join(dir, "low", "zero.wav"), 1, 0)
	if err := os.WriteFile(filepath.Join(dir, "low", "broken.flac"), []byte("fLaC and no more"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "low", "notes.txt"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	train, val, err := waves(t).Open(context.Background(), at(dir), data.Options{Augment: "", Budget: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if train.Len() != 36 || val.Len() != 4 || !slices.Equal(train.Classes, []string{"high", "low"}) || len(train.Skipped) != 2 {
		t.Fatalf("%d and %d examples of %v, skipped %v", train.Len(), val.Len(), train.Classes, train.Skipped)
	}
	notes := strings.Join(train.Notes(), "\n")
	for _, want := range []string{"2 damaged sounds left out of 38", "zero length", "broken.flac: FLAC", "no sounds passed over: 1 .txt"} {
		if !strings.Contains(notes, want) {
			t.Errorf("%q is not in\n%s", want, notes)
		}
	}
	if train.Length(0) != 1 || train.Length(17) < 14 {
		t.Errorf("lengths %d and %d", train.Length(0), train.Length(17))
	}
	all := values(t, train, 0)
	for _, v := range all {
		if v < -0.62 || v > 0.62 {
			t.Fatalf("%v", v)
		}
	}
	// Without memory the files are read again, to the same values.
	again, _, err := waves(t).Open(context.Background(), at(dir), data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := values(t, again, 7); !slices.Equal(sorted(got), sorted(all)) {
		t.Error("values depend on memory")
	}
	writeTone(t, again.Examples[0].Path, 999, 100)
	if err := again.Read(0, 0, []*tensor.Tensor{tensor.New(tensor.Float32, 1, 1, 100)}); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("a file that changed: %v", err)
	}
}

func sorted(x []float32) []float32 {
	x = slices.Clone(x)
	slices.Sort(x)
	return x
}

func TestSoundErrors(t *testing.T) {
	dir := t.TempDir()
	writeTone(t, filepath.Join(dir, "only", "a.wav"), 100, 100)
	opt := data.Options{}
	for path, want := range map[string]string{dir: "one class only", filepath.Join(dir, "only"): "1 sounds but no class folder", filepath.Join(dir, "none"): "no such file or folder"} {
		if _, _, err := waves(t).Open(context.Background(), at(path), opt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	if _, err := waves(t).OpenInputs(context.Background(), Inputs(KindSound, []string{filepath.Join(dir, "only", "a.wav"), filepath.Join(dir, "b.wav")}), opt); err != nil {
		t.Error(err)
	}
	if _, err := waves(t).OpenInputs(context.Background(), Inputs(KindSound, []string{filepath.Join(dir, "b.wav")}), opt); err == nil {
		t.Error("no file at all")
	}
}

// TestSoundAugment varies training sounds by seed and epoch, and never those held out.
func TestSoundAugment(t *testing.T) {
	dir := toneFolder(t, 10)
	open := func(spec string) (train, val *data.Dataset) {
		train, val, err := waves(t).Open(context.Background(), at(dir), data.Options{Augment: spec, Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		return train, val
	}
	plain, plainVal := open("")
	train, val := open("noise:10,gain:6")
	if a, b := values(t, train, 0), values(t, train, 0); !slices.Equal(a, b) {
		t.Error("one epoch has two forms")
	}
	if a, b := values(t, train, 0), values(t, train, 1); slices.Equal(a, b) {
		t.Error("two epochs have one form")
	}
	if !slices.Equal(values(t, train, data.Plain), values(t, plain, data.Plain)) || !slices.Equal(values(t, val, 0), values(t, plainVal, 0)) {
		t.Error("plain examples are varied")
	}
}

// TestSoundsKept finds in a second run what the first one prepared, lengths included.
func TestSoundsKept(t *testing.T) {
	for _, spec := range []string{"", "gain:3"} {
		dir := toneFolder(t, 5)
		b := newNotes()
		var want []float32
		for run := range 2 {
			b.read = 0
			train, _, err := waves(t).Open(context.Background(), at(dir), data.Options{Augment: spec, Workers: 1, Budget: 1 << 20, Index: b, Kept: b})
			if err != nil {
				t.Fatal(err)
			}
			got := values(t, train, 2)
			if run == 0 {
				want = got
			} else if !slices.Equal(got, want) || b.read != 10 {
				t.Errorf("%q: the second run found %d of 10", spec, b.read)
			}
			if len(b.pictures) != 10 || len(b.files) != 10 {
				t.Errorf("%q: %d blocks, %d files", spec, len(b.pictures), len(b.files))
			}
		}
	}
}

// writeFloat writes a WAV file of one floating-point sample, again and again.
func writeFloat(t *testing.T, path string, v float32, samples int) {
	t.Helper()
	le := binary.LittleEndian
	b := append([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x03\x00\x01\x00"), 0x40, 0x1f, 0, 0, 0, 0x7d, 0, 0, 4, 0, 32, 0)
	b = le.AppendUint32(append(b, "data"...), uint32(4*samples))
	for range samples {
		b = le.AppendUint32(b, math.Float32bits(v))
	}
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// Samples that nobody scaled are said, in every run, whatever a cache knows.
func TestLoudSounds(t *testing.T) {
	dir := toneFolder(t, 20)
	writeFloat(t, filepath.Join(dir, "low", "over.wav"), 1.5, 200)
	b := newNotes()
	for i, name := range []string{"", "a", "b", "c", "d"} {
		if i > 0 {
			writeFloat(t, filepath.Join(dir, "low", name+".wav"), -16000, 200)
		}
		for range 2 {
			train, _, err := waves(t).Open(context.Background(), at(dir), data.Options{Budget: 1 << 20, Index: b, Kept: b, Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(train.Notes(), "\n")
			if i == 0 && strings.Contains(notes, "full scale") {
				t.Errorf("a peak of 1.5 is said: %s", notes)
			}
			want := fmt.Sprintf("%d of %d sounds are far above full scale", i, 41+i)
			if i > 0 && (!strings.Contains(notes, want) || !strings.Contains(notes, "a.wav peaks at 16000")) {
				t.Errorf("%q is not in %s", want, notes)
			}
			if i == 4 && (!strings.Contains(notes, "1 more)") || strings.Contains(notes, "d.wav")) {
				t.Errorf("four names in %s", notes)
			}
		}
	}
}
