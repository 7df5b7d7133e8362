package onnx

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// A model often arrives in the form of the framework that trained it. foreign tells which form that
// is, by the contents and not by the name, and how to make an ONNX file of it.

// probe is what is known of a file before it is read as ONNX.
type probe struct {
	path string
	size int64
	head []byte // the first bytes
	in   io.ReaderAt
}

// form is a file format that is not ONNX.
type form struct {
	what string // as in "FILE is a Keras model"
	is   func(*probe) bool
	way  func(*probe) string // how to get an ONNX model
}

// forms are told apart in order. None of the tests is true of an ONNX file.
var forms = []form{
	{"a Git LFS pointer", begins("version https://git-lfs"), says("run git lfs pull, or download the file itself")},
	{"a web page", isPage, says("download the file itself, not the page that shows it")},
	{"a delta", isDelta, func(p *probe) string {
		return fmt.Sprintf("put the tuned model together with permafrost delta apply BASE %s TUNED.onnx", p.path)
	}},
	{"a safetensors file", isSafetensors, weights},
	{"a TorchScript program", holds("constants.pkl"), func(p *probe) string {
		return fmt.Sprintf("in Python, torch.onnx.export(torch.jit.load(%q).eval(), example, %q)", p.path, p.named())
	}},
	{"a PyTorch file", holds("data.pkl"), weights},
	{"a program of torch.export", holds("archive_format", "serialized_exported_program.json"), func(p *probe) string {
		return fmt.Sprintf("in Python, torch.onnx.export(torch.export.load(%q).module(), example, %q)", p.path, p.named())
	}},
	{"a Keras model", holds("model.weights.h5"), keras},
	{"a NumPy archive", holds(".npy"), weights},
	{"a zip archive", begins("PK\x03\x04"), says("unpack it, and name the .onnx file in it")},
	{"a gzip archive", begins("\x1f\x8b"), says("unpack it, and name the .onnx file in it")},
	{"an old PyTorch file (a pickle)", isPickle, weights},
	{"a Keras model or its weights (HDF5)", begins("\x89HDF\r\n\x1a\n"), keras},
	{"a TensorFlow Lite model", at4("TFL3"), func(p *probe) string {
		return fmt.Sprintf("python -m tf2onnx.convert --tflite %s --output %s", p.path, p.named())
	}},
	{"a model in ONNX Runtime's own format", at4("ORTM"), says("name the .onnx file that it was made from")},
	{"a GGUF file, as llama.cpp reads it", begins("GGUF"), says("export the model that it was made from: optimum-cli export onnx --model OWNER/NAME FOLDER")},
	{"a NumPy array", begins("\x93NUMPY"), weights},
	{"a TensorFlow SavedModel", isSavedModel, func(p *probe) string { return savedModel(filepath.Dir(p.path)) }},
	{"a frozen TensorFlow graph", isGraphDef, func(p *probe) string {
		return fmt.Sprintf("python -m tf2onnx.convert --graphdef %s --inputs NAME:0 --outputs NAME:0 --output %s", p.path, p.named())
	}},
	{"a Core ML model", isCoreML, says("export the model that it was made from: torch.onnx.export in PyTorch, tf2onnx in TensorFlow")},
}

// foreign returns an error that names the format of a file and the way from there to ONNX, or nil
// if no other format is recognised.
func foreign(f *os.File, size int64) error {
	p := &probe{path: f.Name(), size: size, in: f, head: make([]byte, min(size, 4096))}
	if _, err := f.ReadAt(p.head, 0); err != nil {
		return nil // reading the model says what is wrong
	}
	for _, form := range forms {
		if form.is(p) {
			return fmt.Errorf("%s is %s, not an ONNX model: %s", p.path, form.what, form.way(p))
		}
	}
	return nil
}

// endings are what a file is by its name alone, where its contents do not tell.
var endings = map[string]struct {
	what string
	way  func(*probe) string
}{
	".pth":         {"a PyTorch file", weights},
	".pt":          {"a PyTorch file", weights},
	".ckpt":        {"a PyTorch file", weights},
	".bin":         {"a PyTorch file", weights},
	".safetensors": {"a safetensors file", weights},
	".npz":         {"a NumPy archive", weights},
	".h5":          {"a Keras model", keras},
	".hdf5":        {"a Keras model", keras},
	".keras":       {"a Keras model", keras},
	".tflite":      {"a TensorFlow Lite model", formOf("a TensorFlow Lite model").way},
	".gguf":        {"a GGUF file", formOf("a GGUF file, as llama.cpp reads it").way},
	".pb":          {"a frozen TensorFlow graph", formOf("a frozen TensorFlow graph").way},
	".data": {"the weights beside an ONNX file", func(p *probe) string {
		return fmt.Sprintf("name the model that reads them, as %s", strings.TrimSuffix(p.path, filepath.Ext(p.path)))
	}},
}

func formOf(what string) form {
	return forms[slices.IndexFunc(forms, func(f form) bool { return f.what == what })]
}

// byName is the end of the error for a file that is nothing known by its contents: what its name
// says it is, damaged, and the way from there to ONNX. It is empty for other names.
func byName(path string) string {
	e, ok := endings[strings.ToLower(filepath.Ext(path))]
	if !ok {
		return ""
	}
	return fmt.Sprintf("; by its name it is %s, though its contents do not show it: %s", e.what, e.way(&probe{path: path}))
}

// named is the file that the way to ONNX writes.
func (p *probe) named() string {
	return strings.TrimSuffix(p.path, filepath.Ext(p.path)) + ".onnx"
}

func says(way string) func(*probe) string { return func(*probe) string { return way } }

// weights is the way from weights alone. A folder of Hugging Face says which network they are of.
func weights(p *probe) string {
	_, err := os.Stat(filepath.Join(filepath.Dir(p.path), hubConfig))
	if err == nil && hubWeights(filepath.Base(p.path)) {
		return hub(filepath.Dir(p.path))
	}
	return fmt.Sprintf("in Python, torch.onnx.export(model.eval(), example, %q) of the network that holds these weights; or put them into an ONNX file of the same network with permafrost import", p.named())
}

func keras(p *probe) string {
	return fmt.Sprintf("in Python, keras.models.load_model(%q).export(%q, format=\"onnx\")", p.path, p.named())
}

func savedModel(dir string) string {
	return fmt.Sprintf("python -m tf2onnx.convert --saved-model %s --output model.onnx", dir)
}

func hub(dir string) string {
	return fmt.Sprintf("optimum-cli export onnx --model %s FOLDER", dir)
}

// hubConfig is the file that describes the network in a folder of Hugging Face.
const hubConfig = "config.json"

// hubWeights reports whether a file of a Hugging Face folder holds weights.
func hubWeights(name string) bool {
	for _, pattern := range []string{"model*.safetensors", "pytorch_model*.bin", "tf_model.h5", "flax_model.msgpack"} {
		if ok, _ := filepath.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

// folder is the error for a folder that is given as a model. It says what to name instead.
func folder(dir string) error {
	for _, pattern := range []string{"model.onnx", "*.onnx", filepath.Join("onnx", "model.onnx"), filepath.Join("onnx", "*.onnx")} {
		if found, _ := filepath.Glob(filepath.Join(escaped(dir), pattern)); len(found) > 0 {
			return fmt.Errorf("%s is a folder, not a model file: name the file in it, as %s", dir, found[0])
		}
	}
	files, _ := os.ReadDir(dir)
	has := func(is func(name string) bool) bool {
		return slices.ContainsFunc(files, func(f os.DirEntry) bool { return is(f.Name()) })
	}
	named := func(want string) func(string) bool { return func(name string) bool { return name == want } }
	switch {
	case has(named("saved_model.pb")):
		return fmt.Errorf("%s is a TensorFlow SavedModel: %s", dir, savedModel(dir))
	case has(named(hubConfig)) && has(hubWeights):
		return fmt.Errorf("%s is a folder of a Hugging Face model without an ONNX file: %s", dir, hub(dir))
	}
	return fmt.Errorf("%s is a folder, not a model file", dir)
}

// escaped makes a path match itself in filepath.Glob.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func begins(with string) func(*probe) bool {
	return func(p *probe) bool { return bytes.HasPrefix(p.head, []byte(with)) }
}

// at4 is for the flatbuffers formats, whose identifier follows a four-byte offset into the file.
func at4(id string) func(*probe) bool {
	return func(p *probe) bool {
		return len(p.head) >= 8 && string(p.head[4:8]) == id && int64(binary.LittleEndian.Uint32(p.head)) < p.size
	}
}

func isPage(p *probe) bool {
	s := strings.ToLower(string(bytes.TrimSpace(p.head[:min(len(p.head), 256)])))
	return strings.HasPrefix(s, "<!doctype html") || strings.HasPrefix(s, "<html")
}

func isSafetensors(p *probe) bool {
	return len(p.head) > 8 && p.head[8] == '{' && binary.LittleEndian.Uint64(p.head) < uint64(p.size)
}

func isDelta(p *probe) bool {
	return isSafetensors(p) && bytes.Contains(p.head, []byte(`"permafrost.skeleton"`))
}

// isPickle recognises protocols 2 to 5 by their first instruction.
func isPickle(p *probe) bool {
	return len(p.head) > 2 && p.head[0] == 0x80 && p.head[1] >= 2 && p.head[1] <= 5
}

// holds recognises an archive by the ending of the name of a file in it, one of those given.
func holds(endings ...string) func(*probe) bool {
	return func(p *probe) bool {
		if !begins("PK")(p) {
			return false
		}
		z, err := zip.NewReader(p.in, p.size)
		return err == nil && slices.ContainsFunc(z.File, func(f *zip.File) bool {
			return slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(f.Name, e) })
		})
	}
}

// The formats below are protobuf messages like ONNX. They differ in the fields that they have.

func isSavedModel(p *probe) bool {
	f := p.fields() // saved_model_schema_version, meta_graphs
	return len(f) >= 2 && f[0] == tagOf(1, protowire.VarintType) && !slices.ContainsFunc(f[1:], func(tag uint64) bool { return tag != tagOf(2, protowire.BytesType) })
}

func isGraphDef(p *probe) bool {
	f := p.fields() // node, versions, library, version
	node, versions := tagOf(1, protowire.BytesType), tagOf(4, protowire.BytesType)
	return len(f) >= 2 && f[0] == node && f[1] == node && slices.Contains(f, versions)
}

func isCoreML(p *probe) bool {
	// specificationVersion, description, and the kind of model, whose numbers begin at 200; field 7
	// is the graph of an ONNX file
	f := p.fields()
	return len(f) >= 3 && f[0] == tagOf(1, protowire.VarintType) && slices.Contains(f, tagOf(2, protowire.BytesType)) && f[len(f)-1] >= tagOf(200, 0) && !slices.Contains(f, tagOf(7, protowire.BytesType))
}

func tagOf(number protowire.Number, typ protowire.Type) uint64 {
	return protowire.EncodeTag(number, typ)
}

// maxFields bounds the fields that a file is recognised by.
const maxFields = 1 << 16

// fields are the tags of a message's fields, or nil if the file is no message.
func (p *probe) fields() []uint64 {
	var tags []uint64
	var b [2 * binary.MaxVarintLen64]byte
	for at := int64(0); at < p.size; {
		n, err := p.in.ReadAt(b[:min(int64(len(b)), p.size-at)], at)
		if err != nil && err != io.EOF {
			return nil
		}
		number, typ, tag := protowire.ConsumeTag(b[:n])
		if tag < 0 || len(tags) == maxFields {
			return nil
		}
		tags = append(tags, tagOf(number, typ))
		length := int64(tag)
		if typ == protowire.BytesType {
			v, m := protowire.ConsumeVarint(b[tag:n])
			if m < 0 || v > uint64(p.size) {
				return nil
			}
			length += int64(m) + int64(v)
		} else {
			m := protowire.ConsumeFieldValue(number, typ, b[tag:n])
			if m < 0 {
				return nil
			}
			length += int64(m)
		}
		at += length
		if at > p.size {
			return nil
		}
	}
	return tags
}
