package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets a search of a test start this binary as its workers.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"worker", "search", "federate"}, os.Args[1]) {
		os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// found is what a search printed, without times and places.
func found(t *testing.T, o outcome) map[string]any {
	t.Helper()
	r := object(t, o)
	for _, key := range []string{"seconds", "out", "notes"} {
		delete(r, key)
	}
	trials := r["trials"].([]any)
	for _, of := range append(trials, r["best"]) {
		delete(of.(map[string]any), "seconds")
		delete(of.(map[string]any), "latency_ms")
	}
	return r
}

// TestSearchWorkers: two processes find what one does, to the bits of the best model. The search
// leaves nothing of its server, and goes on with workers where its process was killed.
func TestSearchWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes and takes seconds")
	}
	one := found(t, searched(t, "--json"))
	search := []string{"search", "--model", "tiny.onnx", "--data", "photos", "--space", "space.yaml", "--trials", "4", "--epochs", "2", "--json", "--workers", "2"}
	o := succeed(t, append(search, "--out", "two")...)
	if two := found(t, o); !reflect.DeepEqual(one, two) {
		t.Errorf("two workers: %v\none process: %v", two, one)
	}
	sameFiles(t, "found/best/model.onnx", "two/best/model.onnx")
	if _, err := os.Stat("two/nats"); err == nil {
		t.Error("the server's folder is left")
	}
	if !strings.Contains(o.stderr, "has joined") { // one of them may find all trials done
		t.Errorf("no worker is told:\n%s", o.stderr)
	}
	if page, err := os.ReadFile("two/search.html"); err != nil || !bytes.Contains(page, []byte(">w2<")) && !bytes.Contains(page, []byte(">w1<")) {
		t.Errorf("the page tells no worker (%v)", err)
	}

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	killed := exec.Command(self, append(search, "--out", "three")...)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Minute)
	for lines := 0; lines < 3 && time.Now().Before(until); time.Sleep(time.Millisecond) {
		b, _ := os.ReadFile(filepath.Join("three", "search.jsonl"))
		lines = bytes.Count(b, []byte("\n"))
	}
	_ = killed.Process.Kill()
	_ = killed.Wait()
	o = succeed(t, append(search, "--out", "three", "--resume")...)
	if three := found(t, o); !reflect.DeepEqual(one, three) {
		t.Errorf("killed and resumed: %v\none process: %v\n%s", three, one, o.stderr)
	}
	sameFiles(t, "found/best/model.onnx", "three/best/model.onnx")
}

// TestSearchWorkersBad: workers and servers that cannot be are refused in a line.
func TestSearchWorkersBad(t *testing.T) {
	world(t)
	write(t, "space.yaml", []byte("lr: {log: [1e-3, 1e-1]}\n"))
	write(t, "some.creds", nil)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	go func() { // a server that is none of NATS
		for {
			c, err := nobody.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.Close()
		}
	}()
	search := []string{"search", "--model", "tiny.onnx", "--data", "photos", "--space", "space.yaml", "--trials", "2", "--out", "found"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{append(search, "--workers", "-1"), "--workers -1: want 0 to 1000"},
		{append(search, "--lag", "-1"), "--lag: -1: want 0 or more"},
		{append(search, "--nats", "nats://a:b@example.invalid", "--listen", ":0"), "--listen: it is the address of a server of the search's own, and nats://example.invalid is another one"},
		{append(search, "--listen", "nowhere"), `address "nowhere" to listen at`},
		{append(search, "--workers", "2", "--replicas", "3"), "--replicas: 3 need as many servers"},
		{append(search, "--workers", "2", "--creds", "some.creds"), "--creds: credentials are for a server of NATS"},
		{append(search, "--workers", "2", "--tlsca", "some.creds"), "--tlsca: certificates are for workers of other machines"},
		{append(search, "--nats", "nats://127.0.0.1:1", "--tlscert", "some.creds"), "a certificate needs its key"},
		{append(search, "--nats", "nats://127.0.0.1:1", "--creds", "none.creds"), "none.creds"},
		{append(search, "--nats", nobody.Addr().String()), "refused"},
		{[]string{"worker"}, "--nats: it is missing"},
		{[]string{"worker", "--nats", "-"}, "--nats -: no address on stdin"},
		{[]string{"worker", "--nats", nobody.Addr().String()}, "refused"},
		{[]string{"worker", "--nats", "nats://127.0.0.1:1", "--threads", "-1"}, "--threads -1: want 0 or more"},
		{[]string{"worker", "--nats", "nats://127.0.0.1:1", "--name", "a b"}, `worker "a b": a name has the letters a to z and A to Z, digits`},
	} {
		o := permafrostRun(t, c.args...)
		errs := strings.Split(strings.TrimSpace(o.stderr), "\n")
		if last := errs[len(errs)-1]; o.code != 2 || !strings.Contains(last, c.want) || strings.HasPrefix(last, "note:") {
			t.Errorf("%v: exit %d: %s, want %q", c.args, o.code, o.stderr, c.want)
		}
		if _, err := os.Stat("found"); err == nil {
			t.Errorf("%v: a folder was written", c.args)
			os.RemoveAll("found")
		}
	}
}
