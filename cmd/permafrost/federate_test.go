package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFederate: a server with --json and two clients, of which one is sent the model, all of them
// processes; the run verifies against the base model.
func TestFederate(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes and takes seconds")
	}
	world(t)
	t.Setenv("PERMAFROST_CACHE", t.TempDir())
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	server := exec.Command(self, "federate", "server", "--model", "tiny.onnx", "--val", "photos/val", "--thaw", "head", "--rounds", "2", "--min-clients", "2",
		"--wait", "40s", "--client", "anna", "--client", "ben", "--json", "--out", "tuned")
	server.Stdout, server.Stderr = &out, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	if err := os.CopyFS("ben", os.DirFS("photos/train")); err != nil {
		t.Fatal(err)
	}
	pictures, err := filepath.Glob("ben/*/*")
	if err != nil {
		t.Fatal(err)
	}
	write(t, pictures[0], []byte("damaged"))
	for i, name := range []string{"anna", "ben"} {
		var address []byte
		for range 400 {
			if address, err = os.ReadFile(filepath.Join("tuned", "clients", name+".url")); err == nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		args := []string{"federate", "client", "--nats", "-", "--data", map[string]string{"anna": "photos/train", "ben": "ben"}[name], "--idle", "40s"}
		if i == 0 {
			args = append(args, "--model", "tiny.onnx", "--memory", "1GB")
		}
		client := exec.Command(self, args...)
		client.Stdin = bytes.NewReader(address)
		var lines bytes.Buffer
		client.Stderr = &lines
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := client.Wait(); err != nil || !strings.Contains(lines.String(), "the federation is over") {
				t.Errorf("client %s: %v\n%s", name, err, lines.String())
			}
			if name == "ben" && !strings.Contains(lines.String(), pictures[0]) {
				t.Errorf("ben is not told of the damaged picture:\n%s", lines.String())
			}
		}()
	}
	if err := <-ended; err != nil {
		t.Fatalf("server: %v\n%s", err, said.String())
	}
	var r struct {
		Rounds, Clients int
		BytesBase       int64 `json:"bytes_base_model"`
		Members         map[string]struct{ Rounds int }
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Rounds != 2 || r.Clients != 2 || r.BytesBase == 0 || r.Members["ben"].Rounds != 2 {
		t.Errorf("%s (%v)", out.String(), err)
	}
	if !strings.Contains(said.String(), `client ben joins with: permafrost federate client --nats "$(cat tuned/clients/ben.url)"`) || !strings.Contains(said.String(), "round 2/2  2 of 2 clients") {
		t.Errorf("the server said\n%s", said.String())
	}
	succeed(t, "verify", "tiny.onnx", "tuned/model.onnx")
}

// TestFederateBad: what cannot be is refused in a line, before anything is written.
func TestFederateBad(t *testing.T) {
	world(t)
	write(t, "some.creds", nil)
	server := []string{"federate", "server", "--model", "tiny.onnx", "--val", "photos/val", "--out", "tuned"}
	client := []string{"federate", "client", "--nats", "nats://127.0.0.1:1", "--data", "photos/train"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{server[:4], "--val: it is missing"},
		{append(server, "--data", "photos/train"), "--data: the server has no training examples"},
		{append(server, "--nats", "nats://a:b@example.invalid", "--listen", ":0"), "--listen: it is the address of a server of the federation's own"},
		{append(server, "--listen", "nowhere"), `address "nowhere" to listen at`},
		{append(server, "--creds", "some.creds"), "--creds: credentials are for a server of NATS"},
		{append(server, "--tlscert", "some.creds"), "--tlscert: certificates are for clients of other machines"},
		{append(server, "--listen", "127.0.0.1:0", "--tlscert", "some.creds"), "a certificate needs its key"},
		{append(server, "--client", "a b"), `--client: client "a b": a name has the letters a to z`},
		{append(server, "--client", "süd"), `--client: client "süd": a name has the letters a to z`},
		{append(server, "--client", "a", "--client", "a"), "--client: a is named twice"},
		{append(server, "--secure", "--min-clients", "2"), "--min-clients: 2: secure aggregation hides"},
		{append(server, "--rounds", "0"), "--rounds: 0: want more than 0"},
		{append(server, "--deadline", "0s"), "--deadline: 0s: want more than 0"},
		{append(server, "--wait", "-1s"), "--wait: -1s: want a time above 0"},
		{append(server, "--dp-epsilon", "inf"), "--dp-epsilon: +Inf: want a number above 0"},
		{append(server, "--resume"), "tuned"},
		{append(server, "--auto"), "auto"},
		{client[:2], "--nats: it is missing"},
		{append(client, "--idle", "0"), "--idle: 0s: want more than 0"},
		{client[:4], "--data: it is missing"},
		{append(client[:4:4], "--data", "none"), "--data: none: no such file or directory"},
		{append(client, "--model", "none.onnx"), "--model: none.onnx: no such file or directory"},
		{append(client, "--name", "a b"), `--name: client "a b": a name has the letters a to z`},
		{append(client, "--memory", "some"), "--memory: "},
		{append(client, "--threads", "-1"), "--threads: -1: want 0 or more"},
		{append(client, "--wait", "-1s"), "--wait: "},
		{append(client, "--wait", "1s"), "no server answered in 1s"},
		{append(client, "--tlskey", "some.creds"), "a certificate needs its key"},
		{[]string{"federate", "client", "--nats", "-"}, "--nats -: no address on stdin"},
	} {
		o := permafrostRun(t, c.args...)
		errs := strings.Split(strings.TrimSpace(o.stderr), "\n")
		if last := errs[len(errs)-1]; o.code != 2 || !strings.Contains(last, c.want) || strings.HasPrefix(last, "note:") {
			t.Errorf("%v: exit %d: %s, want %q", c.args, o.code, o.stderr, c.want)
		}
		if _, err := os.Stat("tuned"); err == nil {
			t.Errorf("%v: a folder was written", c.args)
			os.RemoveAll("tuned")
		}
	}
}
