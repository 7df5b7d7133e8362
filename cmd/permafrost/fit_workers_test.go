package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// server starts a server of NATS, as a user would have one.
func server(t *testing.T) (url string) {
	t.Helper()
	c, err := cluster.Open(t.Context(), cluster.Options{Store: t.TempDir(), Listen: "127.0.0.1:0", Version: version.Version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.URL()
}

// worker starts permafrost worker as a process with a cache of its own, which is killed with the test.
func worker(t *testing.T, url, name string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "worker", "--nats", url, "--name", name, "--threads", "1")
	cmd.Env = append(os.Environ(), "PERMAFROST_CACHE="+filepath.Join(t.TempDir(), "cache"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// TestFitWorkers: none, one and two workers, of which one is killed, lead to the same bits; and so does a
// search at the same server.
func TestFitWorkers(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes and takes seconds")
	}
	model, data := shared.Path(t, "models", "resnet20-cifar10.onnx"), shared.Path(t, "data", "sign-digits")
	world(t)
	url := server(t)
	fit := []string{"fit", "--model", model, "--data", data, "--epochs", "1", "--threads", "1"}
	succeed(t, append(fit, "--out", "here")...)
	o := succeed(t, append(fit, "--out", "none", "--nats", url)...)
	if !strings.Contains(o.stderr, "note: workers computed no frozen values") {
		t.Errorf("without workers:\n%s", o.stderr)
	}
	sameFiles(t, "here/model.onnx", "none/model.onnx")
	first := worker(t, url, "first")
	o = succeed(t, append(fit, "--out", "one", "--nats", url, "--json")...)
	if !strings.Contains(o.stderr, "note: 1 worker computed the frozen values of ") {
		t.Errorf("one worker:\n%s", o.stderr)
	}
	var told struct{ Shared permafrost.Shared }
	if err := json.Unmarshal([]byte(o.stdout), &told); err != nil {
		t.Fatal(err)
	}
	if s := told.Shared; s.Workers != 1 || s.Here == 0 || s.Others == 0 || s.Sent == 0 || s.Received == 0 {
		t.Errorf("one worker: --json says %+v", s)
	}
	sameFiles(t, "here/model.onnx", "one/model.onnx")
	worker(t, url, "second")
	killed := make(chan error, 1)
	go func() { killed <- first.Process.Kill() }()
	o = succeed(t, append(fit, "--out", "two", "--nats", url)...)
	<-killed
	sameFiles(t, "here/model.onnx", "two/model.onnx")

	one := found(t, searched(t, "--json"))
	search := []string{"search", "--model", "tiny.onnx", "--data", "photos", "--space", "space.yaml", "--trials", "4", "--epochs", "2", "--json"}
	o = succeed(t, append(search, "--nats", url, "--out", "there")...)
	if there := found(t, o); !reflect.DeepEqual(one, there) {
		t.Errorf("a search at the server: %v\nin one process: %v\n%s", there, one, o.stderr)
	}
	sameFiles(t, "found/best/model.onnx", "there/best/model.onnx")
}

// TestFitNATSBad: a server that cannot be is refused in a line, before anything is written.
func TestFitNATSBad(t *testing.T) {
	world(t)
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
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--nats", nobody.Addr().String()}, "refused"},
		{[]string{"--creds", "some.creds"}, "--nats: it is missing"},
		{[]string{"--nats", "nats://127.0.0.1:1", "--creds", "none.creds"}, "none.creds"},
		{[]string{"--nats", "nats://127.0.0.1:1", "--tlscert", "tiny.onnx"}, "a certificate needs its key"},
	} {
		o := permafrostRun(t, append([]string{"fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run"}, c.args...)...)
		if lines := strings.Split(strings.TrimSpace(o.stderr), "\n"); o.code != 2 || len(lines) != 1 || !strings.Contains(lines[0], c.want) {
			t.Errorf("%v: exit %d: %s, want %q", c.args, o.code, o.stderr, c.want)
		}
		if _, err := os.Stat("run"); err == nil {
			t.Errorf("%v: a folder was written", c.args)
		}
	}
}
