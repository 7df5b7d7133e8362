// Package examples holds small programs to start from. Its tests build and run each.
package examples

import (
	"archive/tar"
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

// programs is the folder of the built programs.
var programs string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "permafrost-examples"); err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(programs)
	if out, err := exec.Command("go", "build", "-o", programs+"/", "./...").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// program is the path of a built program.
func program(name string) string {
	exe := filepath.Join(programs, name)
	if runtime.GOOS == "windows" {
		exe += ".exe"
	}
	return exe
}

// material is a folder with a model and pictures of letters.
func material(t *testing.T) (dir, model string) {
	t.Helper()
	t.Setenv("PERMAFROST_CACHE", "off")
	dir = t.TempDir()
	demo := filepath.Join(dir, "demo")
	if err := permafrost.DemoMaterial(t.Context(), demo, 1); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(demo, "letters.onnx")
}

// output runs a program to its end.
func output(t *testing.T, exe string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, &stderr)
	}
	return string(out)
}

// server runs a program that prints its address first, until the test ends.
func server(t *testing.T, exe string, args ...string) (address string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), exe, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // which the test's context ends
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(line)[0]
}

func body(t *testing.T, r *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wants(t *testing.T, got string, pieces ...string) {
	t.Helper()
	for _, p := range pieces {
		if !strings.Contains(got, p) {
			t.Errorf("%q is missing in\n%s", p, got)
		}
	}
}

func TestLoop(t *testing.T) {
	dir, model := material(t)
	out := filepath.Join(dir, "run")
	got := output(t, program("loop"), model, filepath.Join(dir, "demo", "greek"), out)
	wants(t, got, "training [head]:", "training [head last:1]:", " epochs, in "+out)
	if v, err := permafrost.Verify(model, filepath.Join(out, permafrost.ModelFile), ""); err != nil || !v.Identical {
		t.Errorf("%v, %v", v, err)
	}
}

func TestPersonalise(t *testing.T) {
	dir, model := material(t)
	letters, err := filepath.Glob(filepath.Join(dir, "demo", "cyrillic", "train", "*"))
	if err != nil || len(letters) < 2 {
		t.Fatal(letters, err)
	}
	got := output(t, program("personalise"), model, letters[0], letters[1])
	wants(t, got, "from 10 pictures", "10 of 10 others named right")
}

func TestSource(t *testing.T) {
	dir, model := material(t)
	archive := filepath.Join(dir, "greek.tar")
	f, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(filepath.Join(dir, "demo", "greek", "train"))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got := output(t, program("source"), model, archive, filepath.Join(dir, "run"))
	wants(t, got, "24 classes", "accuracy")
}

func TestServe(t *testing.T) {
	dir, model := material(t)
	at := server(t, program("serve"), "-listen", "127.0.0.1:0", model)
	pictures, err := filepath.Glob(filepath.Join(dir, "demo", "latin", "*", "*"))
	if err != nil || len(pictures) == 0 {
		t.Fatal(pictures, err)
	}
	b, err := os.ReadFile(pictures[0])
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.Post(at, "image/png", bytes.NewReader(b))
	wants(t, body(t, r, err), `"label":"`+filepath.Base(filepath.Dir(pictures[0]))+`"`, `"probability":`)
	r, err = http.Post(at, "image/png", strings.NewReader("no picture"))
	if body(t, r, err); r.StatusCode != http.StatusBadRequest {
		t.Errorf("no picture: %s", r.Status)
	}
}

func TestService(t *testing.T) {
	dir, model := material(t)
	at := server(t, program("service"), "-listen", "127.0.0.1:0", model, filepath.Join(dir, "runs"))
	fit := at + "fit?" + url.Values{"name": {"first"}, "data": {filepath.Join(dir, "demo", "greek")}}.Encode()
	r, err := http.Post(fit, "", nil)
	wants(t, body(t, r, err), "epoch 1: accuracy", "done: accuracy", permafrost.ModelFile)
	r, err = http.Post(at+"fit?name=second&data=nowhere", "", nil)
	wants(t, body(t, r, err), "error:", "nowhere")
}

// TestShort: an example is read in one go.
func TestShort(t *testing.T) {
	files, err := filepath.Glob("*/main.go")
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("\n")); n >= 60 {
			t.Errorf("%s has %d lines", path, n)
		}
	}
}
