package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// stateDictOf writes the weights of a model as a checkpoint, their names behind prefix.
func stateDictOf(t *testing.T, model, path, prefix string, change func(map[string]*tensor.Tensor)) {
	t.Helper()
	m, err := onnx.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	f := safetensors.File{Tensors: map[string]*tensor.Tensor{}}
	for _, p := range m.Params {
		f.Tensors[prefix+p.Name] = p.Tensor
	}
	if change != nil {
		change(f.Tensors)
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, f); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestImportExport(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, seed := range map[string]uint64{"architecture.onnx": 1, "trained.onnx": 2} {
		if err := fixture.WriteModel(at(name), 3, seed); err != nil {
			t.Fatal(err)
		}
	}
	stateDictOf(t, at("trained.onnx"), at("trained.safetensors"), "module.", nil)

	o := succeed(t, "import", at("trained.safetensors"), "--model", at("architecture.onnx"), "--out", at("model.onnx"))
	for _, want := range []string{"safetensors, 12 tensors", `"module." taken`, "blocks.0.conv.weight", "equal name", "matched 12, missing 0"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("the table does not say %q:\n%s", want, o.stdout)
		}
	}
	want, err := os.ReadFile(at("trained.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(at("model.onnx")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the imported model is not the trained one (%v)", err)
	}
	v := object(t, succeed(t, "import", at("trained.safetensors"), "--model", at("architecture.onnx"), "--out", at("model.onnx"), "--json"))
	wantKeys(t, v, "format", "entry", "out", "matched", "missing", "unused", "kept", "ignored", "ignored_integers", "stripped", "added")

	v = object(t, succeed(t, "export", at("model.onnx"), "--checkpoint", at("trained.safetensors"), "--out", at("back.safetensors"), "--json"))
	wantKeys(t, v, "out", "tensors", "notes", "exact", "rounded")
	if v["exact"] != 12.0 || v["rounded"] != 0.0 {
		t.Errorf("%v exact, %v rounded", v["exact"], v["rounded"])
	}
	a, err := safetensors.ReadFile(at("trained.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := safetensors.ReadFile(at("back.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range a.Tensors {
		if y := b.Tensors[name]; y == nil || !bytes.Equal(x.Bytes, y.Bytes) {
			t.Errorf("%s came back as another tensor", name)
		}
	}
	if o := succeed(t, "export", at("model.onnx"), "--out", at("plain.safetensors")); !strings.Contains(o.stdout, "12 tensors, 12 exact") {
		t.Errorf("export says\n%s", o.stdout)
	}
}

// What does not fit is one line and a table on stderr, and nothing is written.
func TestImportRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := fixture.WriteModel(at("a.onnx"), 3, 1); err != nil {
		t.Fatal(err)
	}
	write := func(name string, change func(map[string]*tensor.Tensor)) string {
		stateDictOf(t, at("a.onnx"), at(name), "", change)
		return at(name)
	}
	good := write("good", nil)
	fewer := write("fewer", func(m map[string]*tensor.Tensor) { delete(m, "classifier.bias") })
	more := write("more", func(m map[string]*tensor.Tensor) { m["aux.weight"] = tensor.Of([]float32{1}) })
	other := write("other", func(m map[string]*tensor.Tensor) {
		clear(m)
		m["encoder.kernel"] = tensor.Of([]float32{1})
	})
	evil := at("evil.pth")
	if err := os.WriteFile(evil, []byte("\x80\x02cos\nsystem\nU\x0atouch evil!\x85R."), 0o666); err != nil {
		t.Fatal(err)
	}
	imp := func(ckpt string, more ...string) []string {
		return append([]string{"import", ckpt, "--model", at("a.onnx"), "--out", at("out.onnx")}, more...)
	}
	for _, tt := range []struct {
		args  []string
		wants []string
	}{
		{imp(fewer), []string{"the checkpoint lacks", "classifier.bias", "--keep"}},
		{imp(more), []string{"the model lacks", "aux.weight", "--ignore"}},
		{imp(other), []string{"another architecture"}},
		{imp(evil), []string{"os.system", "ever run"}},
		{imp(at("a.onnx")), []string{"no checkpoint"}},
		{imp(at("none.pth")), []string{"none.pth"}},
		{imp(dir), []string{"not a file"}},
		{imp(good, "--eps", "0"), []string{"--eps 0"}},
		{imp(good, "--entry", "model"), []string{"no entries", "--entry model"}},
		{imp(good, "--keep", "["), []string{"pattern"}},
		{[]string{"import", good, "--model", at("a.onnx"), "--out", at("a.onnx")}, []string{"is an input"}},
		{[]string{"export", at("a.onnx"), "--out", at("out.pth"), "--checkpoint", other}, []string{"nothing matches"}},
		{[]string{"export", at("a.onnx"), "--out", at("out.pth"), "--entry", "x"}, []string{"--checkpoint"}},
		{[]string{"export", good, "--out", at("out.pth")}, []string{"good"}},
	} {
		o := permafrostRun(t, tt.args...)
		if o.code != exitUsage || o.stdout != "" {
			t.Errorf("%v: exit %d, stdout %q", tt.args, o.code, o.stdout)
		}
		lines := strings.Split(strings.TrimSpace(o.stderr), "\n")
		for _, w := range tt.wants {
			if !strings.Contains(lines[len(lines)-1], w) {
				t.Errorf("%v: the last line is %q, want %q in it", tt.args, lines[len(lines)-1], w)
			}
		}
		if _, err := os.Stat(at("out.onnx")); err == nil {
			t.Fatalf("%v wrote a file", tt.args)
		}
	}
	succeed(t, imp(fewer, "--keep", "classifier.*")...)
	succeed(t, imp(more, "--ignore", "aux.*")...)
}
