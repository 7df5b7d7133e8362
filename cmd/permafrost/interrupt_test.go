//go:build unix

package main

import (
	"bytes"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestInterrupt stops a fit by a signal and resumes it to the bits of an unbroken run.
func TestInterrupt(t *testing.T) {
	world(t)
	fit := []string{"fit", "--model", "tiny.onnx", "--data", "photos", "--thaw", "all", "--epochs", "60", "--batch", "4"}
	succeed(t, append(fit, "--out", "whole")...)

	var stdout bytes.Buffer
	stderr := &trigger{word: "epoch  1/60", fire: func() {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGINT); err != nil {
			t.Error(err)
		}
	}}
	code := execute(append(fit, "--out", "broken"), strings.NewReader(""), &stdout, stderr)
	if code != exitInterrupted || !strings.Contains(stderr.text(), "go on with: permafrost fit --resume --out broken") {
		t.Fatalf("exit %d\n%s", code, stderr.text())
	}
	o := succeed(t, "fit", "--resume", "--out", "broken")
	if !strings.Contains(o.stderr, "going on at epoch") {
		t.Errorf("the resumed run does not say so:\n%s", o.stderr)
	}
	sameFiles(t, "whole/model.onnx", "broken/model.onnx")
}

// trigger is a writer that does something once when a word is written.
type trigger struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	word string
	fire func()
	done bool
}

func (w *trigger) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	if !w.done && strings.Contains(w.buf.String(), w.word) {
		w.done = true
		w.fire()
	}
	return len(p), nil
}

func (w *trigger) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}
