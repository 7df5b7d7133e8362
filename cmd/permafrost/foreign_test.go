package main

import (
	"strings"
	"testing"
)

// TestForeignModel: every command that reads a model says what another framework's file is and how
// to come to ONNX from there: one line, exit 2, nothing written.
func TestForeignModel(t *testing.T) {
	world(t)
	write(t, "net.pth", []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."))
	write(t, "page.onnx", []byte("<!DOCTYPE html><html><body>404</body></html>"))
	write(t, "hub/config.json", []byte("{}"))
	write(t, "hub/pytorch_model.bin", nil)
	scalar := []byte("\x10\x01\x4a\x04\x00\x00\x00\x00") // a TensorProto
	write(t, "set/input_0.pb", scalar)
	write(t, "set/output_0.pb", scalar)
	for _, file := range []struct{ name, way string }{
		{"net.pth", "torch.onnx.export"},
		{"page.onnx", "web page"},
		{"hub", "optimum-cli export onnx --model hub"},
	} {
		for _, args := range [][]string{
			{"inspect", file.name},
			{"inspect", file.name, "--data", "photos"},
			{"fit", "--model", file.name, "--data", "photos", "--out", "new"},
			{"fit", "--model", file.name, "--data", "photos", "--out", "new", "--auto"},
			{"advise", "--model", file.name, "--data", "photos"},
			{"compare", "--model", file.name, "--data", "photos", "--plan", "head=head", "--out", "new"},
			{"rank", "--data", "photos", file.name},
			{"eval", "--model", file.name, "--data", "photos"},
			{"predict", "--model", file.name, "photos/val/red/00.png"},
			{"bench", file.name},
			{"run", file.name, "--data-set", "set"},
			{"verify", file.name, "tiny.onnx"},
			{"verify", "tiny.onnx", file.name},
			{"delta", "extract", file.name, "tiny.onnx", "new.safetensors"},
			{"delta", "extract", "tiny.onnx", file.name, "new.safetensors"},
			{"delta", "apply", file.name, "missing.safetensors", "new.onnx"},
			{"import", "net.pth", "--model", file.name, "--out", "new.onnx"},
			{"export", file.name, "--out", "new.safetensors"},
		} {
			before := listing(t)
			o := permafrostRun(t, args...)
			name := strings.Join(args, " ")
			if o.code != exitUsage || o.stdout != "" || strings.Count(o.stderr, "\n") != 1 {
				t.Errorf("%s: exit %d, want 2 and one line\n%s%s", name, o.code, o.stdout, o.stderr)
			}
			if !strings.Contains(o.stderr, file.name) || !strings.Contains(o.stderr, file.way) {
				t.Errorf("%s: %q does not say %q", name, o.stderr, file.way)
			}
			if after := listing(t); strings.Join(before, "\n") != strings.Join(after, "\n") {
				t.Errorf("%s: something was written", name)
			}
		}
	}
}
