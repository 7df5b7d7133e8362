//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServe: the command serves runs and a delta until a signal comes, and then ends with status 0.
func TestServe(t *testing.T) {
	world(t)
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "2")
	picture := filepath.Join("photos", "val", "red", "00.png")
	want := succeed(t, "predict", "--model", "run/model.onnx", "--json", picture).stdout
	label := regexp.MustCompile(`"label": "(\w+)"`).FindStringSubmatch(want)[1]

	var out, said lines
	ended := make(chan int, 1)
	go func() {
		ended <- execute([]string{"serve", "--model", "run", "--model", "both=tiny.onnx+run", "--listen", "127.0.0.1:0"}, strings.NewReader(""), &out, &said)
	}()
	url := ""
	for end := time.Now().Add(time.Minute); url == ""; time.Sleep(10 * time.Millisecond) {
		if m := regexp.MustCompile(`(http://\S+)/v2\n(?s:.*)/v2/models/both/infer\n`).FindStringSubmatch(out.String()); m != nil {
			url = m[1]
		}
		select {
		case code := <-ended:
			t.Fatalf("it ended with status %d: %s", code, said.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("it does not listen: %s %s", out.String(), said.String())
		}
	}
	b, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"run", "both"} {
		w, err := http.Post(url+"/v2/models/"+name+"/infer", "image/png", bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(w.Body)
		w.Body.Close()
		if !strings.Contains(string(body), fmt.Sprintf(`"data":[%q]`, label)) {
			t.Errorf("%s answers %s, predict %s", name, body, want)
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case code := <-ended:
		if code != exitDone {
			t.Errorf("status %d: %s", code, said.String())
		}
	case <-time.After(time.Minute):
		t.Error("a signal did not end it")
	}
	if !strings.Contains(said.String(), "2 models share 100% of their work") {
		t.Errorf("notes: %s", said.String())
	}
}
