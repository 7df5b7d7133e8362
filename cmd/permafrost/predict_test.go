package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPredictFolder: a folder, recursively and in natural order, globs, damaged files, a table.
func TestPredictFolder(t *testing.T) {
	world(t)
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "4")
	for _, name := range []string{"a10.png", "a9.png", "sub/b.png", ".hidden/c.png", ".d.png"} {
		write(t, filepath.Join("mixed", name), pictureFile(t))
	}
	write(t, "mixed/notes.txt", []byte("no picture"))
	inputs := func(args ...string) (got []string, o outcome) {
		o = permafrostRun(t, append([]string{"predict", "--model", "run/model.onnx"}, args...)...)
		for line := range strings.Lines(o.stdout) {
			got = append(got, filepath.ToSlash(line[:strings.Index(line, "\t")]))
		}
		return got, o
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"mixed"}, []string{"mixed/a9.png", "mixed/a10.png", "mixed/sub/b.png"}},
		{[]string{"mixed/*.png"}, []string{"mixed/a9.png", "mixed/a10.png"}},
		{[]string{"mixed/s*", "mixed/a9.png"}, []string{"mixed/sub/b.png", "mixed/a9.png"}},
		{[]string{"photos/val/*/00.png"}, []string{"photos/val/blue/00.png", "photos/val/green/00.png", "photos/val/red/00.png"}},
	} {
		if got, o := inputs(c.args...); o.code != 0 || !slices.Equal(got, c.want) {
			t.Errorf("predict %v: exit %d, %v, want %v\n%s", c.args, o.code, got, c.want, o.stderr)
		}
	}

	write(t, "mixed/bad.png", []byte("damaged"))
	got, o := inputs("mixed")
	if o.code != exitFailed || len(got) != 3 || !strings.Contains(o.stderr, "skipped "+filepath.Join("mixed", "bad.png")) || !strings.Contains(o.stderr, "1 of 4 inputs") {
		t.Errorf("exit %d, %v\n%s", o.code, got, o.stderr)
	}

	o = permafrostRun(t, "predict", "--model", "run/model.onnx", "mixed", "--json")
	if skipped, _ := object(t, o)["skipped"].([]any); o.code != exitFailed || len(skipped) != 1 || skipped[0].(map[string]any)["input"] != filepath.Join("mixed", "bad.png") {
		t.Errorf("exit %d, skipped %v", o.code, skipped)
	}

	o = succeed(t, "predict", "--model", "run/model.onnx", "photos/val", "--out", "answers.csv")
	columns, rows := table(t, "answers.csv")
	if !slices.Equal(columns, []string{"input", "label", "probability"}) || len(rows) != 12 || rows[11]["label"] != "red" || !strings.Contains(o.stdout, "12 answers in answers.csv") {
		t.Errorf("%v, %v\n%s", columns, rows, o.stdout)
	}
	if ps := object(t, succeed(t, "predict", "--model", "run/model.onnx", "photos/val", "--json"))["predictions"].([]any); len(ps) != 12 {
		t.Errorf("%d predictions", len(ps))
	}

	write(t, "empty/readme.txt", []byte("x"))
	for _, c := range [][2]string{{"empty", "only 1 .txt"}, {"mixed/z*", "matches no file"}, {"mixed/[", "mixed/["}} {
		if _, o := inputs(c[0], "--out", "new.csv"); o.code != exitUsage || !strings.Contains(o.stderr, c[1]) {
			t.Errorf("predict %s: exit %d, %s", c[0], o.code, o.stderr)
		}
	}
	for _, out := range []string{"new.json", "nowhere/new.csv"} {
		if _, o := inputs("mixed/a9.png", "--out", out); o.code != exitUsage || !strings.Contains(o.stderr, "--out") {
			t.Errorf("--out %s: exit %d, %s", out, o.code, o.stderr)
		}
	}
	if _, err := os.Stat("new.csv"); err == nil {
		t.Error("new.csv was written after a refusal")
	}
}
