package sound

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"
)

type chunk struct {
	id   string
	body []byte
	size int64 // as the header says it; -1: as it is
}

func riff(form string, size uint32, chunks ...chunk) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(form), size)
	b = append(b, "WAVE"...)
	for _, c := range chunks {
		n := uint32(len(c.body))
		if c.size >= 0 {
			n = uint32(c.size)
		}
		b = binary.LittleEndian.AppendUint32(append(b, c.id...), n)
		b = append(b, c.body...)
		if len(c.body)%2 == 1 {
			b = append(b, 0)
		}
	}
	return b
}

func format(code, channels, rate, bits int) chunk {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, uint16(code))
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, uint32(rate))
	block := channels * ((bits + 7) / 8)
	b = le.AppendUint32(b, uint32(rate*block))
	b = le.AppendUint16(b, uint16(block))
	return chunk{"fmt ", le.AppendUint16(b, uint16(bits)), -1}
}

func extensible(code, channels, rate, bits int) chunk {
	c := format(wavExtensible, channels, rate, bits)
	le := binary.LittleEndian
	c.body = le.AppendUint16(c.body, 22)
	c.body = le.AppendUint16(c.body, uint16(bits))
	c.body = le.AppendUint32(c.body, 3)
	c.body = le.AppendUint16(c.body, uint16(code))
	c.body = append(c.body, extensibleTail[:]...)
	return c
}

func data(b ...byte) chunk { return chunk{"data", b, -1} }

func encode(v any) []byte {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, v)
	return b.Bytes()
}

// wavs are files that decode, with what they hold.
func wavs() map[string]struct {
	file []byte
	want []float32
} {
	type file = struct {
		file []byte
		want []float32
	}
	pcm16 := encode([]int16{0, 16384, -32768, 32767})
	want16 := []float32{0, 0.5, -1, 32767. / 32768}
	f16 := format(wavPCM, 1, 8000, 16)
	return map[string]file{
		"8 bit":             {riff("RIFF", 0, format(wavPCM, 1, 8000, 8), data(128, 255, 0, 64, 128)), []float32{0, 127. / 128, -1, -0.5, 0}},
		"16 bit":            {riff("RIFF", 0, f16, data(pcm16...)), want16},
		"24 bit":            {riff("RIFF", 0, format(wavPCM, 1, 8000, 24), data(0, 0, 0x40, 0, 0, 0x80, 1, 0, 0)), []float32{0.5, -1, 1. / (1 << 23)}},
		"32 bit":            {riff("RIFF", 0, format(wavPCM, 1, 8000, 32), data(encode([]int32{1 << 30, math.MinInt32})...)), []float32{0.5, -1}},
		"12 of 16 bit":      {riff("RIFF", 0, format(wavPCM, 1, 8000, 12), data(pcm16...)), want16},
		"float 32":          {riff("RIFF", 0, format(wavFloat, 1, 8000, 32), data(encode([]float32{0.25, -1.5})...)), []float32{0.25, -1.5}},
		"float 64":          {riff("RIFF", 0, format(wavFloat, 1, 8000, 64), data(encode([]float64{0.25, -1.5})...)), []float32{0.25, -1.5}},
		"A-law":             {riff("RIFF", 0, format(wavALaw, 1, 8000, 8), data(0xd5, 0x55, 0xaa, 0x2a)), []float32{8. / 32768, -8. / 32768, 32256. / 32768, -32256. / 32768}},
		"mu-law":            {riff("RIFF", 0, format(wavMuLaw, 1, 8000, 8), data(0xff, 0x7f, 0x80, 0x00)), []float32{0, 0, 32124. / 32768, -32124. / 32768}},
		"stereo":            {riff("RIFF", 0, format(wavPCM, 2, 8000, 16), data(pcm16...)), []float32{0.25, -0.5 / 32768}},
		"three channels":    {riff("RIFF", 0, format(wavFloat, 3, 8000, 32), data(encode([]float32{1, 2, 6})...)), []float32{3}},
		"extensible":        {riff("RIFF", 0, extensible(wavPCM, 1, 8000, 16), data(pcm16...)), want16},
		"extensible float":  {riff("RIFF", 0, extensible(wavFloat, 1, 8000, 32), data(encode([]float32{0.5})...)), []float32{0.5}},
		"odd chunks":        {riff("RIFF", 0, chunk{"JUNK", []byte{1, 2, 3}, -1}, f16, chunk{"LIST", []byte{1}, -1}, data(pcm16...), chunk{"id3 ", []byte("abc"), -1}), want16},
		"stream, largest":   {riff("RIFF", math.MaxUint32, f16, chunk{"data", pcm16, math.MaxUint32}), want16},
		"stream, signed":    {riff("RIFF", 0x7ffff024, f16, chunk{"data", pcm16, 0x7ffff000}), want16},
		"stream, nothing":   {riff("RIFF", 0, f16, chunk{"data", pcm16, 0}), want16},
		"stream, only head": {riff("RIFF", 36, f16, chunk{"data", pcm16, 0}), want16},
		"half a sample":     {append(riff("RIFF", math.MaxUint32, f16, chunk{"data", pcm16, math.MaxUint32}), 9), want16},
		"missing pad":       {riff("RIFF", 0, f16, chunk{"data", pcm16, 9}), want16},
		"RF64":              {riff("RF64", math.MaxUint32, chunk{"ds64", append(encode([]uint64{100, 8, 4}), 0, 0, 0, 0), -1}, f16, chunk{"data", pcm16, math.MaxUint32}, chunk{"LIST", []byte{1, 2, 3, 4}, -1}), want16},
	}
}

func TestWAV(t *testing.T) {
	for name, w := range wavs() {
		for kind, r := range map[string]io.Reader{"file": bytes.NewReader(w.file), "stream": io.MultiReader(bytes.NewReader(w.file))} {
			c, err := Decode(r, 0)
			if err != nil {
				t.Errorf("%s (%s): %v", name, kind, err)
				continue
			}
			if c.Rate != 8000 || len(c.Samples) != len(w.want) {
				t.Errorf("%s (%s): %d Hz, %v, want %v", name, kind, c.Rate, c.Samples, w.want)
				continue
			}
			for i := range w.want {
				if c.Samples[i] != w.want[i] {
					t.Errorf("%s (%s): sample %d is %v, want %v", name, kind, i, c.Samples[i], w.want[i])
				}
			}
		}
	}
}

func TestDamaged(t *testing.T) {
	f16 := format(wavPCM, 1, 8000, 16)
	good := flacFile(t, 1, 16, tuneInt(5000))
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":            {nil, "empty file"},
		"one byte":         {[]byte("R"), "not a WAV or FLAC"},
		"text":             {[]byte("hello, this is text"), "not a WAV or FLAC"},
		"mp3 behind ID3":   {append([]byte("ID3\x04\x00\x00\x00\x00\x00\x00"), 0xff, 0xfb, 0x90, 0x64), "FLAC"},
		"header only":      {[]byte("RIFF\x00\x00\x00\x00WA"), "cut off"},
		"AVI":              {[]byte("RIFF\x00\x00\x00\x00AVI LIST"), `kind "AVI "`},
		"no data":          {riff("RIFF", 0, f16), "no data"},
		"data first":       {riff("RIFF", 0, data(1, 2), f16), "no format"},
		"zero length":      {riff("RIFF", 50, f16, data(), chunk{"LIST", []byte{1, 2, 3, 4}, -1}), "zero length"},
		"cut off":          {riff("RIFF", 0, f16, chunk{"data", make([]byte, 100), 1000}), "cut off after 100 of 1000"},
		"ADPCM":            {riff("RIFF", 0, format(2, 1, 8000, 4), data(1, 2)), "0x0002"},
		"64 bit":           {riff("RIFF", 0, format(wavPCM, 1, 8000, 64), data(1, 2)), "64 bits"},
		"no channels":      {riff("RIFF", 0, format(wavPCM, 0, 8000, 16), data(1, 2)), "channels"},
		"no rate":          {riff("RIFF", 0, format(wavPCM, 1, 0, 16), data(1, 2)), "sampling rate"},
		"wild rate":        {riff("RIFF", 0, format(wavPCM, 1, 1<<30, 16), data(1, 2)), "sampling rate"},
		"short format":     {riff("RIFF", 0, chunk{"fmt ", make([]byte, 10), -1}, data(1, 2)), "too short"},
		"huge format":      {riff("RIFF", 0, chunk{"fmt ", make([]byte, 10), 1 << 30}), "1073741824"},
		"extensible, bare": {riff("RIFF", 0, format(wavExtensible, 1, 8000, 16), data(1, 2)), "sub-format"},
		"not a number":     {riff("RIFF", 0, format(wavFloat, 1, 8000, 32), data(encode([]float32{0, float32(math.NaN())})...)), "sample 1 is not a number"},
		"too large":        {riff("RIFF", 0, format(wavFloat, 1, 8000, 64), data(encode([]float64{1e300})...)), "not a number"},
		"ten hours":        {riff("RIFF", 0, f16, chunk{"data", make([]byte, 100), 36000 * 16000}), "10h0m0s is longer than the limit of 10m0s"},
		"FLAC cut":         {good[:len(good)-100], "cut off"},
		"FLAC header":      {good[:20], "cut off"},
		"FLAC flipped":     {flipped, "FLAC"},
	} {
		got, err := Decode(bytes.NewReader(c.file), 0)
		if err == nil {
			t.Errorf("%s: decoded %d samples", name, len(got.Samples))
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestLimit holds a stream, which does not say its length, to the limit.
func TestLimit(t *testing.T) {
	f := format(wavPCM, 1, 8000, 16)
	file := riff("RIFF", 0, f, chunk{"data", make([]byte, 2*8001), math.MaxUint32})
	if _, err := Decode(bytes.NewReader(file), time.Second); err == nil || !strings.Contains(err.Error(), "longer than the limit of 1s") {
		t.Errorf("one sample too many: %v", err)
	}
	if c, err := Decode(bytes.NewReader(file[:len(file)-2]), time.Second); err != nil || c.Duration() != time.Second {
		t.Errorf("one second: %v", err)
	}
}

func tuneInt(n int) []int32 {
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(20000*math.Sin(float64(i)/9)) + int32(i*i%61)
	}
	return x
}

// flacFile encodes interleaved samples with fixed prediction.
func flacFile(t testing.TB, channels, bits int, x []int32) []byte {
	t.Helper()
	const block = 1024
	n := len(x) / channels
	var b bytes.Buffer
	enc, err := flac.NewEncoder(&b, &meta.StreamInfo{BlockSizeMin: block, BlockSizeMax: block, SampleRate: 22050,
		NChannels: uint8(channels), BitsPerSample: uint8(bits), NSamples: uint64(n)})
	if err != nil {
		t.Fatal(err)
	}
	enc.EnablePredictionAnalysis(true)
	for at := 0; at < n; at += block {
		size := min(block, n-at)
		f := &frame.Frame{Header: frame.Header{HasFixedBlockSize: false, BlockSize: uint16(size), SampleRate: 22050, BitsPerSample: uint8(bits),
			Channels: frame.Channels(channels - 1), Num: uint64(at)}}
		for c := range channels {
			s := &frame.Subframe{SubHeader: frame.SubHeader{Pred: frame.PredVerbatim}, NSamples: size}
			for i := range size {
				s.Samples = append(s.Samples, x[(at+i)*channels+c])
			}
			f.Subframes = append(f.Subframes, s)
		}
		if err := enc.WriteFrame(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFLAC(t *testing.T) {
	for _, c := range []struct{ channels, bits, shift int }{{1, 16, 0}, {2, 16, 0}, {1, 24, 8}, {1, 8, -8}} {
		x := tuneInt(5000)
		for i := range x {
			x[i] = int32(math.Ldexp(float64(x[i]), c.shift))
		}
		file := flacFile(t, c.channels, c.bits, x)
		got, err := Decode(bytes.NewReader(file), 0)
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		if got.Rate != 22050 || len(got.Samples) != len(x)/c.channels {
			t.Fatalf("%v: %d Hz, %d samples", c, got.Rate, len(got.Samples))
		}
		for i, v := range got.Samples {
			sum := 0.0
			for k := range c.channels {
				sum += float64(x[i*c.channels+k])
			}
			if want := float32(sum / float64(c.channels) / float64(int(1)<<(c.bits-1))); v != want {
				t.Fatalf("%v: sample %d is %v, want %v", c, i, v, want)
			}
		}
	}
}

// TestFLACBroken decodes a file with each of its first bytes changed in turn, header and frames:
// nothing may panic.
func TestFLACBroken(t *testing.T) {
	good := flacFile(t, 2, 16, tuneInt(600))
	for i := range min(len(good), 600) {
		for _, bit := range []byte{1, 0x80, 0xff} {
			b := bytes.Clone(good)
			b[i] ^= bit
			if _, err := Decode(bytes.NewReader(b), time.Minute); err != nil && strings.HasPrefix(err.Error(), "WAV") {
				t.Errorf("byte %d: %v", i, err)
			}
		}
	}
}

// checkDecoded is what holds of every sound that decodes.
func checkDecoded(t *testing.T, file []byte) {
	c, err := Decode(bytes.NewReader(file), time.Second)
	if err != nil {
		return
	}
	if len(c.Samples) == 0 || c.Rate < minRate || c.Rate > maxRate || c.Duration() > time.Second {
		t.Fatalf("%d samples at %d Hz", len(c.Samples), c.Rate)
	}
	for i, v := range c.Samples {
		if v-v != 0 {
			t.Fatalf("sample %d is %v", i, v)
		}
	}
}

func FuzzWAV(f *testing.F) {
	for _, w := range wavs() {
		f.Add(w.file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		checkDecoded(t, file)
		runtime.ReadMemStats(&after)
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+64*len(file)); used > most {
			t.Fatalf("%d bytes allocated for %d", used, len(file))
		}
	})
}

func FuzzFLAC(f *testing.F) {
	f.Add(flacFile(f, 1, 16, tuneInt(300)))
	f.Add(flacFile(f, 2, 16, tuneInt(600)))
	f.Add(flacFile(f, 2, 24, tuneInt(600)))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 4 {
			copy(file, "fLaC")
		}
		checkDecoded(t, file)
	})
}
