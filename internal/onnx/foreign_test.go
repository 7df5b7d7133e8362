package onnx

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// archive is a zip file with empty files of these names.
func archive(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		if _, err := z.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// message is a protobuf message of byte fields, after a version in field 1 if there is one.
func message(version uint64, numbers ...protowire.Number) string {
	var b []byte
	if version > 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), version)
	}
	for _, n := range numbers {
		b = protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), []byte("content"))
	}
	return string(b)
}

// safetensors is the beginning of a file with this header.
func safetensors(header string) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header
}

// TestForeign: a file of another framework is told apart by its contents, whatever its name, and
// the one line says the way to ONNX.
func TestForeign(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		want    []string
	}{
		"zip of torch.save":   {archive(t, "archive/data.pkl", "archive/version"), []string{"PyTorch file", "torch.onnx.export", "permafrost import"}},
		"TorchScript":         {archive(t, "net/data.pkl", "net/constants.pkl"), []string{"TorchScript", "torch.jit.load"}},
		"torch.export":        {archive(t, "net/archive_format", "net/models/model.json"), []string{"torch.export.load"}},
		"old torch.export":    {archive(t, "serialized_exported_program.json", "version"), []string{"torch.export.load"}},
		"old pickle":          {"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", []string{"pickle", "permafrost import"}},
		"safetensors":         {safetensors(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`), []string{"safetensors", "torch.onnx.export", "permafrost import"}},
		"delta":               {safetensors(`{"permafrost.skeleton":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`), []string{"a delta", "permafrost delta apply"}},
		"HDF5":                {"\x89HDF\r\n\x1a\n\x00\x00", []string{"Keras", "load_model"}},
		"keras":               {archive(t, "metadata.json", "config.json", "model.weights.h5"), []string{"Keras", "load_model"}},
		"tflite":              {"\x1c\x00\x00\x00TFL3" + strings.Repeat("\x00", 64), []string{"TensorFlow Lite", "tf2onnx.convert --tflite"}},
		"ort":                 {"\x1c\x00\x00\x00ORTM" + strings.Repeat("\x00", 64), []string{"ONNX Runtime", ".onnx"}},
		"gguf":                {"GGUF\x03\x00\x00\x00", []string{"GGUF", "optimum-cli export onnx"}},
		"SavedModel":          {message(1, 2), []string{"SavedModel", "tf2onnx.convert --saved-model"}},
		"SavedModel of two":   {message(1, 2, 2), []string{"SavedModel"}},
		"frozen graph":        {message(0, 1, 1, 1, 4), []string{"TensorFlow graph", "--graphdef"}},
		"Core ML":             {message(5, 2, 500), []string{"Core ML", "export"}},
		"npz":                 {archive(t, "w.npy"), []string{"NumPy", "permafrost import"}},
		"npy":                 {"\x93NUMPY\x01\x00", []string{"NumPy"}},
		"zip":                 {archive(t, "model.onnx"), []string{"zip", "unpack"}},
		"gzip":                {"\x1f\x8b\x08\x00", []string{"gzip", "unpack"}},
		"page":                {"\n<!DOCTYPE html><html>", []string{"web page", "download"}},
		"page without a type": {"<HTML><head>", []string{"web page"}},
		"LFS pointer":         {"version https://git-lfs.github.com/spec/v1\noid sha256:0", []string{"Git LFS", "git lfs pull"}},
	} {
		path := filepath.Join(t.TempDir(), "model.onnx")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if err == nil {
			t.Fatalf("%s: read as a model", name)
		}
		for _, piece := range append(c.want, path, "not an ONNX model") {
			if !strings.Contains(err.Error(), piece) {
				t.Errorf("%s: %q does not say %q", name, err, piece)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: more than one line: %q", name, err)
		}
	}
}

// TestForeignWeightsOfAHub: beside config.json, weights are exported with the network it describes.
func TestForeignWeightsOfAHub(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.safetensors")
	for path, content := range map[string]string{path: safetensors(`{}`) + " ", filepath.Join(dir, hubConfig): "{}"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, given := range []string{dir, path} {
		if _, err := Open(given); err == nil || !strings.Contains(err.Error(), "optimum-cli export onnx --model "+dir) {
			t.Errorf("%s: %v", given, err)
		}
	}
}

func TestFolder(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"onnx/model_quantized.onnx", "onnx/model_quantized.onnx"},
		{"run[1]/model.onnx", "run[1]/model.onnx"},
		{"saved_model.pb", "--saved-model"},
		{"a.png", "is a folder, not a model file"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, filepath.FromSlash(c.file))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(c.file, "run") {
			dir = filepath.Dir(path)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), filepath.FromSlash(c.want)) {
			t.Errorf("%s: %v", c.file, err)
		}
	}
}

// TestNoForeign: no ONNX file is taken for another format, whatever its producer calls itself.
func TestNoForeign(t *testing.T) {
	for _, producer := range []string{"pytorch", "TFL3", "{", "PK", strings.Repeat("x", 200)} {
		good := cat(fint(1, 8), fstr(2, producer), net(t))
		path := filepath.Join(t.TempDir(), "model.bin")
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err != nil {
			t.Error(fmt.Errorf("producer %q: %w", producer, err))
		}
	}
}

// TestForeignByName: where the contents do not tell what a file is, its name does.
func TestForeignByName(t *testing.T) {
	for name, want := range map[string]string{
		"net.pth":     "torch.onnx.export",
		"net.H5":      "keras.models.load_model",
		"net.gguf":    "optimum-cli",
		"net.tflite":  "tf2onnx.convert --tflite",
		"m.onnx.data": "name the model that reads them, as ",
		"m.onnx":      "",
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), "not an ONNX model") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "by its name") != (want != "") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
