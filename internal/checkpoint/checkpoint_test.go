package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func read(b []byte, entry string) (*Checkpoint, error) {
	return Read(bytes.NewReader(b), int64(len(b)), entry)
}

// describe is a checkpoint in one line a tensor.
func describe(c *Checkpoint) string {
	var b strings.Builder
	for _, t := range c.Tensors {
		fmt.Fprintf(&b, "%s %v%v %v\n", t.Name, t.Tensor.DType, t.Tensor.Shape, t.Tensor.Float64s())
	}
	return b.String()
}

var six = floats(1, 2, 3, 4, 5, 6)

func TestTorch(t *testing.T) {
	f := func(offset int, shape, strides string) string {
		return rebuilt(store("FloatStorage", "0", 6), offset, shape, strides)
	}
	parameter := "ctorch._utils\n_rebuild_parameter\n(" + f(0, nums(6), nums(1)) + "\x88ccollections\nOrderedDict\n)RtR"
	all := map[string][]byte{"0": six, "1": {0, 60, 0, 192}, "2": {128, 63, 0, 64}, "3": binary.LittleEndian.AppendUint64(nil, 7), "4": {1, 0}}
	weights := ordered(
		"w", f(0, nums(2, 3), nums(3, 1)), "turned", f(0, nums(3, 2), nums(1, 3)), "tail", f(4, nums(2), nums(1)),
		"repeated", f(1, nums(2, 2), nums(0, 1)), "scalar", f(5, ")", ")"), "empty", f(0, nums(0, 3), nums(3, 1)),
		"half", rebuilt(store("HalfStorage", "1", 2), 0, nums(2), nums(1)), "brain", rebuilt(store("BFloat16Storage", "2", 2), 0, nums(2), nums(1)),
		"count", rebuilt(store("LongStorage", "3", 1), 0, ")", ")"), "flags", rebuilt(store("BoolStorage", "4", 2), 0, nums(2), nums(1)), "param", parameter)
	want := `w float32[2,3] [1 2 3 4 5 6]
turned float32[3,2] [1 4 2 5 3 6]
tail float32[2] [5 6]
repeated float32[2,2] [2 3 2 3]
scalar float32[] [6]
empty float32[0,3] []
half float16[2] [1 -2]
brain bfloat16[2] [1 2]
count int64[] [7]
flags bool[2] [1 0]
param float32[6] [1 2 3 4 5 6]
`
	one := ordered("w", f(0, nums(6), nums(1)))
	space := "cargparse\nNamespace\n)\x81}" + text("lr") + "G?\xf0\x00\x00\x00\x00\x00\x00sb"
	optimizer := plain("state", "}K\x00"+plain("exp_avg", f(0, nums(6), nums(1)))+"s", "param_groups", "](K\x01K\x02e")
	single := "w float32[6] [1 2 3 4 5 6]\n"
	for _, tt := range []struct {
		name, pickle, entry string // entry asked for
		want, taken         string
		ignored             []string
	}{
		{"types and views", p(weights), "", want, "", nil},
		{"plain dict", p(plain("w", f(0, nums(6), nums(1)), "epoch", "K\x05")), "", single, "", nil},
		{"wrapped", p(plain("state_dict", one, "optimizer", optimizer, "epoch", "K\x05", "args", space)), "", single, "state_dict", []string{"optimizer", "epoch", "args"}},
		{"wrapped twice", p(plain("state", plain("model", one))), "", single, "state.model", nil},
		{"several, one usual", p(plain("ema", one, "model", one)), "", single, "model", []string{"ema"}},
		{"asked for", p(plain("ema", plain("m.n", one), "model", one)), "ema.m.n", single, "ema.m.n", nil},
		{"nested names", p(plain("w", f(0, nums(6), nums(1)), "sub", one)), "", single + "sub." + single, "", nil},
		{"memo", p("}q\x00(", text("a"), f(0, nums(6), nums(1)), "q\x01", text("b"), "h\x01u"), "", strings.ReplaceAll(single, "w ", "a ") + strings.ReplaceAll(single, "w ", "b "), "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := read(archive(t, tt.pickle, all), tt.entry)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(c); got != tt.want {
				t.Errorf("read\n%swant\n%s", got, tt.want)
			}
			if c.Entry != tt.taken || !slices.Equal(c.Ignored, tt.ignored) || c.Format != "PyTorch" {
				t.Errorf("took %q and left %q (%s), want %q and %q", c.Entry, c.Ignored, c.Format, tt.taken, tt.ignored)
			}
		})
	}
	c, err := read(legacy(p(one), 6, six), "")
	if err != nil || describe(c) != single || c.Format != "PyTorch before 1.6" {
		t.Errorf("legacy: %v, %v", c, err)
	}
}

func TestTorchErrors(t *testing.T) {
	f := func(offset int, shape, strides string) string {
		return p(plain("w", rebuilt(store("FloatStorage", "0", 6), offset, shape, strides)))
	}
	cyclic := p("}q\x00", text("a"), "h\x00s")
	tiny := rebuilt(store("FloatStorage", "0", 6), 0, nums(6), nums(1))
	laughs := "}" + text("x") + tiny + "sq\x000"
	for i := range 14 {
		laughs += "}(" + text("a") + "h" + string(rune(i)) + text("b") + "h" + string(rune(i)) + text("c") + "h" + string(rune(i)) + "u" + "q" + string(rune(i+1)) + "0"
	}
	laughs = laughs + plain("w", tiny, "all", "h\x0e")
	long := strings.Repeat("n", 2000)
	for _, tt := range []struct{ name, pickle, want string }{
		{"command", p("cos\nsystem\n(" + text("touch owned") + "tR"), `global "os.system"`},
		{"command, protocol 4", p("\x8c\x05posix\x8c\x06system\x93(" + text("id") + "tR"), `global "posix.system"`},
		{"eval", p("c__builtin__\neval\n(" + text("1") + "tR"), `global "__builtin__.eval"`},
		{"builtin through a known module", p("ccollections\n__builtins__\n"), `global "collections.__builtins__"`},
		{"module of its own", p("ctorchvision.models.resnet\nResNet\n)\x81"), "torchvision.models.resnet.ResNet"},
		{"call of a value", p("K\x01)R"), "no known global"},
		{"instance by name", p("(ios\nsystem\n"), "instruction 0x69"},
		{"not a state dict", p("](K\x01e"), "no state dict"},
		{"no tensors", p(plain("epoch", "K\x01")), "no state dict"},
		{"several", p(plain("a", plain("w", rebuilt(store("FloatStorage", "0", 6), 0, nums(6), nums(1))), "b", plain("w", rebuilt(store("FloatStorage", "0", 6), 0, nums(6), nums(1))))), "option entry one of a, b"},
		{"empty stack", p("s"), "stack is empty"},
		{"cut", "\x80\x02X\xff\xff", "ends in the middle"},
		{"memo", p("h\x05"), "memo 5"},
		{"outside", f(3, nums(4), nums(1)), "outside of the storage"},
		{"outside by strides", f(0, nums(2, 3), nums(4, 1)), "outside of the storage"},
		{"negative offset", f(-1, nums(2), nums(1)), "outside of the storage"},
		{"negative size", f(0, nums(-2), nums(1)), "out of range"},
		{"negative stride", f(0, nums(2), nums(-1)), "out of range"},
		{"repeated without end", f(0, nums(1<<30, 1<<10), nums(0, 0)), "16 times"},
		{"overflow", f(0, nums(1<<30, 1<<30, 1<<30, 1<<30), nums(0, 0, 0, 0)), "out of range"},
		{"strides that overflow", f(0, nums(1<<30), nums(1<<30)), "outside of the storage"},
		{"storage missing", p(plain("w", rebuilt(store("FloatStorage", "9", 6), 0, nums(6), nums(1)))), `storage "9"`},
		{"storage type", p(plain("w", rebuilt(store("Size", "0", 6), 0, nums(6), nums(1)))), "not known"},
		{"cycle", cyclic, "without end"},
		{"billion laughs", p(laughs), "without end"},
		{"long name", p(plain(long, rebuilt(store("FloatStorage", "0", 6), 0, nums(6), nums(1)))), "a name of 2000 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(archive(t, tt.pickle, map[string][]byte{"0": six}), "")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
	if _, err := os.Stat("owned"); err == nil {
		t.Error("a pickle was run")
	}
	one := p(ordered("w", rebuilt(store("FloatStorage", "0", 6), 0, nums(6), nums(1))))
	for want, b := range map[string][]byte{
		"is no checkpoint":     []byte("hello, this is no checkpoint"),
		"torch.save did not":   []byte(p("K\x01")),
		"the file is cut":      legacy(one, 6, six[:20]),
		"belongs to no tensor": legacy(p("}"), 1, six),
		"is compressed":        zipped(t, zip.Deflate, "a/data.pkl", []byte(one)),
		"TorchScript":          zipped(t, zip.Store, "a/data.pkl", []byte(one), "a/constants.pkl", []byte(one)),
		"byte order":           zipped(t, zip.Store, "a/data.pkl", []byte(one), "a/byteorder", []byte("big")),
		"holds no tensors":     zipped(t, zip.Store),
	} {
		if _, err := read(b, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestNumpy(t *testing.T) {
	h := func(descr, fortran, shape string) string {
		return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }  \n"
	}
	big := []byte{63, 128, 0, 0, 64, 0, 0, 0}
	b := zipped(t, zip.Deflate, "a.weight.npy", npy(h("<f4", "False", "(2, 3)"), six), "f.npy", npy(h("<f4", "True", "(2, 3)"), six),
		"big.npy", npy(h(">f4", "False", "(2,)"), big), "s.npy", npy(h("<f4", "False", "()"), six[:4]), "n.npy", npy(h("|i1", "False", "(2L,)"), []byte{255, 1}), "b.npy", npy(h("|b1", "False", "(1,)"), []byte{1}))
	c, err := read(b, "")
	if err != nil {
		t.Fatal(err)
	}
	want := `a.weight float32[2,3] [1 2 3 4 5 6]
f float32[2,3] [1 3 5 2 4 6]
big float32[2] [1 2]
s float32[] [1]
n int8[2] [-1 1]
b bool[1] [1]
`
	if got := describe(c); got != want {
		t.Errorf("read\n%swant\n%s", got, want)
	}
	if c, err := read(npy(h("<f4", "False", "(6,)"), six), ""); err != nil || describe(c) != " float32[6] [1 2 3 4 5 6]\n" {
		t.Errorf("npy: %v, %v", c, err)
	}
	for want, b := range map[string][]byte{
		"cut":                   npy(h("<f4", "False", "(7,)"), six),
		`elements of type "O"`:  npy(h("|O", "False", "(7,)"), six),
		"want one of numbers":   npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", six),
		"16 times":              npy(h("<f4", "False", "(1000000000,)"), six),
		"out of range":          npy(h("<f4", "False", "(1000000000, 1000000000, 1000000000)"), six),
		"size of":               npy(h("<f4", "False", "(10000000000000000000000,)"), six),
		"version 9":             append([]byte(npyMagic+"\x09\x00"), six...),
		"bytes":                 append([]byte(npyMagic+"\x02\x00\xff\xff\xff\xff"), six...),
		"the header is cut":     []byte(npyMagic + "\x01\x00\xff\xff{"),
		"two tensors called":    zipped(t, zip.Store, "a.npy", npy(h("<f4", "False", "(6,)"), six), "a.npy", npy(h("<f4", "False", "(6,)"), six)),
		"beyond 16 times its s": zipped(t, zip.Deflate, "a.npy", npy(h("<f4", "False", "(10000000,)"), make([]byte, 40000000))),
	} {
		if _, err := read(b, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestSafetensors(t *testing.T) {
	var b bytes.Buffer
	if err := safetensors.Write(&b, safetensors.File{Tensors: map[string]*tensor.Tensor{"b": tensor.Of([]float32{1, 2}), "a": tensor.Of([]float32{3})}}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "called.pth") // the contents tell, not the name
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	c, err := Open(path, "")
	if err != nil || c.Format != "safetensors" || describe(c) != "a float32[1] [3]\nb float32[2] [1 2]\n" {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := Open(path, "x"); err == nil || !strings.Contains(err.Error(), "no entries") {
		t.Errorf("an entry of safetensors: %v", err)
	}
}

// TestMemory holds reading to its bound on pickles made to take much: values of one byte each.
func TestMemory(t *testing.T) {
	const n = 1 << 17
	for _, unit := range []string{"}", "]", ")", "(", "K\x01", "}q\x00", "]2a", "NN\x86", "C\x00", "U\x00"} {
		b := archive(t, p("K\x00", strings.Repeat(unit, n/len(unit))), nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := read(b, "")
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%q: no error", unit)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 256*n+Slack {
			t.Errorf("%q: %d bytes for a file of %d", unit, took, len(b))
		}
	}
}
