package checkpoint

import (
	"archive/zip"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// check fails when the tensors of a file take more than its size allows.
func check(t *testing.T, c *Checkpoint, n int) {
	t.Helper()
	seen := map[*tensor.Tensor]bool{}
	total := 0
	for _, x := range c.Tensors {
		if len(x.Tensor.Bytes) != x.Tensor.Len()*x.Tensor.DType.Size() {
			t.Fatalf("%s: %d bytes do not fill %v", x.Name, len(x.Tensor.Bytes), x.Tensor.Shape)
		}
		if !seen[x.Tensor] {
			seen[x.Tensor] = true
			total += len(x.Tensor.Bytes)
		}
	}
	if total > Expansion*n+Slack {
		t.Fatalf("%d bytes of tensors in a file of %d", total, n)
	}
}

// FuzzPickle: whatever the pickle of an archive says, reading it neither panics nor hangs nor takes
// memory beyond the bound.
func FuzzPickle(f *testing.F) {
	w := rebuilt(store("FloatStorage", "0", 6), 1, nums(2, 2), nums(1, 2))
	f.Add([]byte(p(ordered("w", w, "v", w))))
	f.Add([]byte(p(plain("state_dict", ordered("w", w), "optimizer", plain("state", "}"), "epoch", "K\x05"))))
	f.Add([]byte(p("}q\x00", text("a"), "h\x00s")))
	f.Add([]byte(p("\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R\x94(\x8c\x01w", w, "\x94u")))
	f.Add([]byte(p("](K\x01\x8a\x02\xff\xffG\x00\x00\x00\x00\x00\x00\x00\x00\x85\x86N\x87e")))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := archive(t, string(b), map[string][]byte{"0": six})
		if c, err := read(file, ""); err == nil {
			check(t, c, len(file))
		}
	})
}

// FuzzNpy: whatever the bytes of an array in an archive, likewise.
func FuzzNpy(f *testing.F) {
	for _, h := range []string{"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "{'descr': '>f2', 'fortran_order': True, 'shape': (2, 3, 2), }", "{'descr': '|O', 'fortran_order': False, 'shape': (), }"} {
		f.Add(npy(h, six))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file := zipped(t, zip.Store, "a.npy", b, "b.npy", b)
		if c, err := read(file, ""); err == nil {
			check(t, c, len(file))
		}
		if c, err := read(b, ""); err == nil {
			check(t, c, len(b))
		}
	})
}

// FuzzRead: whatever the bytes of a file, likewise.
func FuzzRead(f *testing.F) {
	w := ordered("w", rebuilt(store("FloatStorage", "0", 6), 0, nums(6), nums(1)))
	f.Add(archive(f, p(w), map[string][]byte{"0": six}))
	f.Add(legacy(p(w), 6, six))
	f.Add(zipped(f, zip.Deflate, "a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", six)))
	f.Add([]byte("\x40\x00\x00\x00\x00\x00\x00\x00" + `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}          ` + "\x00\x00\x80\x3f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := read(b, ""); err == nil {
			check(t, c, len(b))
		}
	})
}
