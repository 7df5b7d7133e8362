package federate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/fed/link"
	"github.com/permafrost-ml/permafrost/internal/fed/partition"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/run"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestMain lets the test binary play other processes: FEDERATE_TEST has what they do.
func TestMain(m *testing.M) {
	if text := os.Getenv("FEDERATE_TEST"); text != "" {
		var p process
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			panic(err)
		}
		if err := p.run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// process is what another process does: it serves, or with a name it is a client.
type process struct {
	Dir    string
	Resume bool
	Name   string
	URL    string
	// Stuck is the round, from 1, in whose training a client says so by a file, and stays for ever.
	Stuck int
}

func (p *process) run() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if p.Name == "" {
		c, o := tiny(p.Dir)
		c.Out, o.Resume = filepath.Join(p.Dir, "real"), p.Resume
		_, err := Serve(ctx, c, o, ServerOptions{Clients: names})
		return err
	}
	o := ClientOptions{NATS: NATS{URL: p.URL}, Data: filepath.Join(p.Dir, p.Name), Threads: 1}
	w := o.work()
	w.Before = func(t *fed.Task) {
		if t.Kind == fed.Train && t.Round+1 == p.Stuck {
			_ = os.WriteFile(filepath.Join(p.Dir, "stuck"), nil, 0o600)
			select {}
		}
	}
	return link.Work(ctx, w)
}

// start starts another process, which is killed at the end.
func (p process) start(t *testing.T) *exec.Cmd {
	t.Helper()
	b, err := json.Marshal(p)
	must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FEDERATE_TEST="+string(b))
	cmd.Stderr = os.Stderr
	must(t, cmd.Start())
	t.Cleanup(func() { kill(cmd) })
	return cmd
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// names are the clients of the tests, as a simulation calls them.
var names = []string{"c0", "c1", "c2"}

// world makes a model and examples: those of training whole and divided as a simulation divides them.
func world(t *testing.T) (dir string) {
	t.Helper()
	t.Setenv("PERMAFROST_CACHE", filepath.Join(t.TempDir(), "cache"))
	dir = t.TempDir()
	must(t, fixture.WriteModel(filepath.Join(dir, "tiny.onnx"), 3, 1))
	must(t, fixture.WritePictures(filepath.Join(dir, "photos"), 8, 3, 1))
	must(t, fixture.WritePictures(filepath.Join(dir, "val"), 4, 3, 2))
	c, _ := tiny(dir)
	c.Data = filepath.Join(dir, "photos")
	s, err := run.Prepare(t.Context(), config.Config(c))
	must(t, err)
	var labels []int
	for _, e := range s.Train.Examples {
		labels = append(labels, e.Label)
	}
	d, err := partition.Parse("iid")
	must(t, err)
	parts, err := d.Divide(labels, len(labels), len(names), 1, random.For(c.Seed, random.Clients, -2, 0))
	must(t, err)
	for i, at := range parts {
		for _, k := range at {
			from := s.Train.Examples[k].Path
			rel, err := filepath.Rel(c.Data, from)
			must(t, err)
			to := filepath.Join(dir, names[i], rel)
			must(t, os.MkdirAll(filepath.Dir(to), 0o700))
			b, err := os.ReadFile(from)
			must(t, err)
			must(t, os.WriteFile(to, b, 0o600))
		}
	}
	return dir
}

// tiny are the options of a server in a world.
func tiny(dir string) (permafrost.Config, Options) {
	c := permafrost.DefaultConfig()
	c.Model, c.Val, c.Thaw, c.Threads = filepath.Join(dir, "tiny.onnx"), filepath.Join(dir, "val"), []string{"last:1", "head"}, 1
	c.LR, c.Batch, c.Keep, c.Cache = 0.01, 4, "last", "ram"
	return c, Options{Rounds: 4, MinClients: len(names), Compress: "int8", Deadline: 50 * time.Second, Wait: 40 * time.Second}
}

// simulated is the model that a simulation of the world writes.
func simulated(t *testing.T, dir string) []byte {
	t.Helper()
	c, o := tiny(dir)
	c.Data, c.Out = filepath.Join(dir, "photos"), filepath.Join(dir, "simulated")
	_, err := Simulate(t.Context(), c, o, Clients{Number: len(names)})
	must(t, err)
	return model(t, c.Out)
}

func model(t *testing.T, out string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(out, "model.onnx"))
	must(t, err)
	return b
}

// lines collects what is told.
type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) add(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, text)
}

func (l *lines) has(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.text, func(s string) bool { return strings.Contains(s, part) })
}

// address is the address of a client, once the server has written it.
func address(t *testing.T, out, name string) string {
	t.Helper()
	for range 300 {
		if b, err := os.ReadFile(addressFile(filepath.Join(out, clientsDir), name)); err == nil {
			return strings.TrimSpace(string(b))
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the server gave no address for %s", name)
	return ""
}

// TestServe: clients at a server come to the bits of a simulation, while those who may not or cannot
// take part are refused, each with the reason.
func TestServe(t *testing.T) {
	dir := world(t)
	want := simulated(t, dir)
	must(t, fixture.WriteModel(filepath.Join(dir, "other.onnx"), 3, 2))
	damaged, err := os.ReadFile(filepath.Join(dir, "tiny.onnx"))
	must(t, err)
	damaged[len(damaged)/2] ^= 1
	must(t, os.WriteFile(filepath.Join(dir, "tampered.onnx"), damaged, 0o600))
	must(t, os.CopyFS(filepath.Join(dir, "strange"), os.DirFS(filepath.Join(dir, "c0"))))
	must(t, os.Rename(filepath.Join(dir, "strange", "red"), filepath.Join(dir, "strange", "purple")))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, o := tiny(dir)
	c.Out = filepath.Join(dir, "real")
	var said lines
	o.OnNote = said.add
	type ended struct {
		r   *Result
		err error
	}
	served := make(chan ended, 1)
	go func() {
		r, err := Serve(ctx, c, o, ServerOptions{Clients: append([]string{"b0", "b1", "b2", "b3"}, names...)})
		served <- ended{r, err}
	}()
	bad := []struct {
		name string
		o    ClientOptions
		want string
	}{
		{"b0", ClientOptions{Model: filepath.Join(dir, "other.onnx")}, "is another model"},
		{"b1", ClientOptions{Model: filepath.Join(dir, "tampered.onnx")}, "is another model"},
		{"b2", ClientOptions{Data: filepath.Join(dir, "strange"), Model: filepath.Join(dir, "tiny.onnx")}, "no class purple (the data have blue, green, purple; by the federation the model has blue, green, red): rename them, or leave them out"},
		{"b3", ClientOptions{Name: "c0"}, "does not let this user take part as client c0"},
		{"b0", ClientOptions{NATS: NATS{URL: "-"}}, "Authorization"},
	}
	plain := address(t, c.Out, "c0")
	plain = plain[:strings.Index(plain, "//")+2] + plain[strings.Index(plain, "@")+1:]
	var refused sync.WaitGroup
	for _, b := range bad {
		refused.Go(func() {
			if b.o.URL == "" {
				b.o.URL = address(t, c.Out, b.name)
			} else {
				b.o.URL = plain
			}
			if b.o.Data == "" {
				b.o.Data = filepath.Join(dir, "c1")
			}
			err := Join(ctx, b.o)
			if err == nil || !strings.Contains(err.Error(), b.want) || !errors.Is(err, permafrost.ErrBadInput) {
				t.Errorf("%s: %v, want %q", b.name, err, b.want)
			}
		})
	}
	refused.Wait()
	var clients sync.WaitGroup
	for i, name := range names {
		clients.Go(func() {
			o := ClientOptions{NATS: NATS{URL: address(t, c.Out, name)}, Data: filepath.Join(dir, name), Threads: 1}
			if i == 0 {
				o.Model = c.Model
			}
			if err := Join(ctx, o); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	clients.Wait()
	got := <-served
	must(t, got.err)
	r := got.r
	if !bytes.Equal(model(t, c.Out), want) {
		t.Error("the model differs from that of a simulation")
	}
	if r.Clients != 3 || len(r.Refused) != 3 || r.Members["c0"].Base != 0 || r.Members["c1"].Base+r.Members["c2"].Base == 0 || r.Lost+r.Rejected != 0 {
		t.Errorf("%+v", r)
	}
	if !said.has("client b2 is refused: data: ") || !said.has("Violation") || !said.has("authentication error") {
		t.Errorf("the server said %q", said.text)
	}
	if _, err := os.Stat(filepath.Join(c.Out, storeDir)); err == nil {
		t.Error("the files of the server of NATS are left")
	}
	if st, err := os.Stat(addressFile(filepath.Join(c.Out, clientsDir), "c0")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
}

// TestKilled: a client that is killed in a round gets its task again, and a server that is killed in
// a round goes on with it, both to the bits of a simulation.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes, and waits for a task to lapse")
	}
	dir := world(t)
	want := simulated(t, dir)
	out := filepath.Join(dir, "real")
	server := process{Dir: dir}.start(t)
	client := func(name string, stuck int) *exec.Cmd {
		return process{Dir: dir, Name: name, URL: address(t, out, name), Stuck: stuck}.start(t)
	}
	until := func() {
		t.Helper()
		for range 600 {
			if err := os.Remove(filepath.Join(dir, "stuck")); err == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatal("no client has come to the round")
	}
	all := []*exec.Cmd{client("c0", 0), client("c1", 2), client("c2", 3)}
	until()
	kill(all[1])
	all[1] = client("c1", 0)
	until() // c1 has done its task again, and c2 is in the next round
	kill(server)
	kill(all[2])
	server = process{Dir: dir, Resume: true}.start(t)
	all[2] = client("c2", 0)
	for i, cmd := range append(all, server) {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
	}
	if !bytes.Equal(model(t, out), want) {
		t.Error("the model differs from that of a simulation")
	}
}

// TestSecureDropout: a client that goes between its shares and its change is missing in a secure sum,
// as it would be missing in a plain one.
func TestSecureDropout(t *testing.T) {
	dir := world(t)
	loss := map[bool]float64{}
	for _, secure := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		c, o := tiny(dir)
		c.Out = ""
		o.Rounds, o.Compress, o.Secure, o.Deadline = 1, "", secure, 4*time.Second
		all := append([]string{"c3"}, names...)
		o.MinClients = len(all) - 1
		joined := make(chan string, 1)
		served := make(chan *Result, 1)
		go func() {
			r, err := Serve(ctx, c, o, ServerOptions{OnURL: func(_, url string) { joined <- url }})
			if err != nil {
				t.Error(err)
				cancel()
			}
			served <- r
		}()
		url := <-joined
		var clients sync.WaitGroup
		for _, name := range all {
			own := ClientOptions{NATS: NATS{URL: url}, Name: name, Data: filepath.Join(dir, strings.Replace(name, "3", "0", 1)), Threads: 1}
			working, stop := context.WithCancel(ctx)
			clients.Go(func() {
				defer stop()
				w := own.work()
				w.Before = func(t *fed.Task) {
					if name == "c3" && t.Kind == fed.Train {
						stop()
						<-working.Done()
					}
				}
				if err := link.Work(working, w); err != nil && name != "c3" {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		clients.Wait()
		r := <-served
		cancel()
		if r == nil {
			t.Fatal("no result")
		}
		if r.Lost != 1 || r.Clients != 3 {
			t.Errorf("secure %v: %+v", secure, r)
		}
		loss[secure] = r.ValLoss
	}
	if d := loss[true] - loss[false]; d > 1e-3 || d < -1e-3 {
		t.Errorf("a loss of %g with secure sums, %g without", loss[true], loss[false])
	}
}
