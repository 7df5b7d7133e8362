package frozenpass

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/run"
)

const group = "search"

// The test binary plays workers: FROZENPASS_TEST_URL says where.
func TestMain(m *testing.M) {
	if url := os.Getenv("FROZENPASS_TEST_URL"); url != "" {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := cluster.Open(ctx, cluster.Options{URL: url, Version: "1"})
		if err == nil {
			w := NewWorker(c, group, os.Getenv("FROZENPASS_TEST_NAME"), os.TempDir())
			if os.Getenv("FROZENPASS_TEST_KEEP") != "" {
				w.where = "disk"
			}
			err = work(ctx, c, w, func() {
				if os.Getenv("FROZENPASS_TEST_HANG") != "" {
					fmt.Println("begun")
					time.Sleep(time.Minute)
				}
			})
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// work does shards, each after first.
func work(ctx context.Context, c *cluster.Cluster, w *Worker, first func()) error {
	return c.Work(ctx, group, w.name, func(ctx context.Context, j cluster.Job) ([]byte, error) {
		if !Is(j) {
			return nil, errors.New("no shard")
		}
		first()
		b, _, err := w.Run(ctx, j)
		return b, err
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func needsTime(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes many seconds")
	}
}

// server starts a server of NATS.
func server(t *testing.T) (url string) {
	t.Helper()
	c, err := cluster.Open(t.Context(), cluster.Options{Store: t.TempDir(), Listen: "127.0.0.1:0", Version: "1", Flush: time.Second})
	must(t, err)
	t.Cleanup(c.Close)
	return c.URL()
}

// crew is one that computes nothing by itself for a while, and keeps what it says.
func crew(t *testing.T, url string) (*Crew, *bytes.Buffer) {
	t.Helper()
	said := &bytes.Buffer{}
	c := New(Options{Cluster: cluster.Options{URL: url, Version: "1", Wait: 10 * time.Second, Lapse: 2 * time.Second}, Group: group, Tell: func(s string) { fmt.Fprintln(said, s) }})
	c.patience = time.Minute
	t.Cleanup(c.Close)
	return c, said
}

// worker starts a worker in this process, which ends with the test.
func worker(t *testing.T, url, name string, edit func(*Worker)) {
	t.Helper()
	c, err := cluster.Open(t.Context(), cluster.Options{URL: url, Version: "1"})
	must(t, err)
	w := NewWorker(c, group, name, t.TempDir())
	w.where = "off"
	if edit != nil {
		edit(w)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { _ = work(ctx, c, w, func() {}) })
	t.Cleanup(func() { cancel(); ended.Wait(); c.Close() })
}

// process starts a worker as a process of its own, which is killed with the test.
func process(t *testing.T, url, name string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "FROZENPASS_TEST_URL="+url, "FROZENPASS_TEST_NAME="+name, "PERMAFROST_CACHE="+t.TempDir()), env...)
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// The fits of the tests. All values are kept on disk.
var fits = map[string]func(dir string) (config.Config, error){
	"pictures": pictures,
	"layers": func(dir string) (config.Config, error) {
		c, err := pictures(dir)
		c.Thaw = []string{"last:1"}
		return c, err
	},
	"half": func(dir string) (config.Config, error) {
		c, err := pictures(dir)
		c.CachePrecision = "float16"
		return c, err
	},
	"augmented": func(dir string) (config.Config, error) {
		c, err := pictures(dir)
		c.Augment, c.CacheVariants = "flip,color:0.3", 3
		return c, err
	},
	"sounds": func(dir string) (config.Config, error) {
		c := options(dir)
		return c, errors.Join(fixture.WriteSoundModel(c.Model, 3, 1), fixture.WriteSounds(filepath.Join(dir, "train"), 24, 1), fixture.WriteSounds(filepath.Join(dir, "val"), 9, 2))
	},
	"texts": func(dir string) (config.Config, error) {
		c := options(dir)
		return c, errors.Join(fixture.WriteTextModel(c.Model, true, 1), fixture.WriteTexts(dir, 60, 2))
	},
}

func options(dir string) config.Config {
	c := config.DefaultConfig()
	c.Model, c.Data, c.Epochs, c.Cache = filepath.Join(dir, "m.onnx"), dir, 2, "disk"
	return c
}

func pictures(dir string) (config.Config, error) {
	c := options(dir)
	return c, errors.Join(fixture.WriteModel(c.Model, 3, 1), fixture.WritePictures(filepath.Join(dir, "train"), 120, 3, 1), fixture.WritePictures(filepath.Join(dir, "val"), 90, 3, 2))
}

// fit fits with helpers, in a cache of its own, and gives the tuned model and the values that were kept.
func fit(t *testing.T, c config.Config, helpers run.Helpers) (model []byte, kept map[string][]byte) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("PERMAFROST_CACHE", dir)
	c.Out = filepath.Join(t.TempDir(), "run")
	s, err := run.PrepareOn(t.Context(), c, run.Sets{Helpers: helpers})
	must(t, err)
	must(t, s.Settle(t.Context()))
	out, err := run.CreateRunDir(c.Out, &s.Config)
	must(t, err)
	_, err = s.Fit(t.Context(), out, false)
	must(t, err)
	must(t, s.Cache.Close())
	model, err = os.ReadFile(filepath.Join(c.Out, run.ModelFile))
	must(t, err)
	return model, values(t, dir)
}

// values reads the blocks of values in a cache, by space and key.
func values(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	indexes, err := filepath.Glob(filepath.Join(dir, "v1", "*", "*.index"))
	must(t, err)
	for _, name := range indexes {
		about, err := os.ReadFile(filepath.Join(filepath.Dir(name), "about.json"))
		must(t, err)
		if !bytes.Contains(about, []byte(`"kind":"values"`)) {
			continue
		}
		index, err := os.ReadFile(name)
		must(t, err)
		pack, err := os.ReadFile(strings.TrimSuffix(name, ".index") + ".pack")
		must(t, err)
		for ; len(index) > 0; index = index[56:] { // see package cache
			at, n := binary.LittleEndian.Uint64(index[32:]), binary.LittleEndian.Uint64(index[40:])
			out[fmt.Sprintf("%s %x", filepath.Base(filepath.Dir(name)), index[:32])] = pack[at : at+n]
		}
	}
	return out
}

// TestSame: with workers, to whom everything is sent, each fit has the bits that it has alone, and
// leaves the same values in the cache under the same keys.
func TestSame(t *testing.T) {
	url := server(t)
	for _, name := range []string{"a", "b"} {
		worker(t, url, name, func(w *Worker) { w.elsewhere = name == "a" })
	}
	for name, write := range fits {
		t.Run(name, func(t *testing.T) {
			cfg, err := write(t.TempDir())
			must(t, err)
			want, kept := fit(t, cfg, nil)
			if len(kept) == 0 {
				t.Fatal("nothing is kept, so the test shows nothing")
			}
			c, said := crew(t, url)
			got, also := fit(t, cfg, c)
			s := c.Summary()
			if !bytes.Equal(got, want) || !reflect.DeepEqual(also, kept) {
				t.Errorf("the model is the same: %v; %d values are kept, alone %d\n%s", bytes.Equal(got, want), len(also), len(kept), said)
			}
			if s.Others == 0 || s.Workers == 0 || said.Len() > 0 {
				t.Errorf("%+v\n%s", s, said)
			}
		})
	}
}

// TestKilled kills a worker that has two shards: they are computed by others.
func TestKilled(t *testing.T) {
	needsTime(t)
	cfg, err := pictures(t.TempDir())
	must(t, err)
	want, kept := fit(t, cfg, nil)
	url := server(t)
	first := process(t, url, "first", "FROZENPASS_TEST_HANG=yes")
	out, err := first.StdoutPipe()
	must(t, err)
	must(t, first.Start())
	go func() {
		_, _ = out.Read(make([]byte, 1)) // it has begun
		_ = first.Process.Kill()
		second := process(t, url, "second")
		_ = second.Start()
	}()
	c, said := crew(t, url)
	got, also := fit(t, cfg, c)
	if !bytes.Equal(got, want) || !reflect.DeepEqual(also, kept) {
		t.Errorf("the model is the same: %v; %d values are kept, alone %d\n%s", bytes.Equal(got, want), len(also), len(kept), said)
	}
	if s := c.Summary(); s.Others == 0 || s.Workers != 1 || !strings.Contains(said.String(), "worker first was lost") {
		t.Errorf("%+v\n%s", s, said)
	}
}

// TestCached: what a worker has computed it does not compute again.
func TestCached(t *testing.T) {
	needsTime(t)
	cfg, err := pictures(t.TempDir())
	must(t, err)
	cfg.Thaw = []string{"last:1"}
	url := server(t)
	must(t, process(t, url, "only", "FROZENPASS_TEST_KEEP=yes").Start())
	for again := range 2 {
		c, said := crew(t, url)
		fit(t, cfg, c)
		if s := c.Summary(); s.Others == 0 || again == 1 && s.Cached < s.Others*9/10 { // shards differ a little
			t.Errorf("fit %d: %+v\n%s", again+1, s, said)
		}
	}
}

// TestRefused: a worker whose values are wrong, whose version is another, or that sends what is no
// values changes nothing, and is told.
func TestRefused(t *testing.T) {
	needsTime(t)
	for name, c := range map[string]struct {
		edit func(*Worker)
		said string
	}{
		"wrong values": {func(w *Worker) {
			w.harm = func(rows [][]byte) {
				for _, row := range rows {
					row[0] ^= 1
				}
			}
		}, "worker bad is refused: its values differ"},
		"too few": {func(w *Worker) { w.harm = func(rows [][]byte) { rows[0] = nil } }, "worker bad sent values that cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := pictures(t.TempDir())
			must(t, err)
			want, kept := fit(t, cfg, nil)
			url := server(t)
			worker(t, url, "bad", c.edit)
			crew, said := crew(t, url)
			crew.patience = 3 * time.Second
			got, also := fit(t, cfg, crew)
			if !bytes.Equal(got, want) || !reflect.DeepEqual(also, kept) {
				t.Errorf("the model is the same: %v; %d values are kept, alone %d\n%s", bytes.Equal(got, want), len(also), len(kept), said)
			}
			if s := crew.Summary(); s.Others > 0 || !strings.Contains(said.String(), c.said) {
				t.Errorf("%+v\n%s", s, said)
			}
		})
	}
}

// TestServerLost: where the server goes away in the middle, the rest is computed here.
func TestServerLost(t *testing.T) {
	needsTime(t)
	cfg, err := pictures(t.TempDir())
	must(t, err)
	want, kept := fit(t, cfg, nil)
	nats, err := cluster.Open(t.Context(), cluster.Options{Store: t.TempDir(), Listen: "127.0.0.1:0", Version: "1"})
	must(t, err)
	lose := sync.OnceFunc(nats.Close)
	t.Cleanup(lose)
	url := nats.URL()
	other, err := cluster.Open(t.Context(), cluster.Options{URL: url, Version: "1", Wait: time.Second})
	must(t, err)
	t.Cleanup(other.Close)
	var ended sync.WaitGroup
	t.Cleanup(ended.Wait)
	ended.Go(func() {
		_ = work(t.Context(), other, NewWorker(other, group, "w", t.TempDir()), lose)
	})
	c, said := crew(t, url)
	c.patience, c.o.Cluster.Wait = 4*time.Second, time.Second
	got, also := fit(t, cfg, c)
	if !bytes.Equal(got, want) || !reflect.DeepEqual(also, kept) {
		t.Errorf("the model is the same: %v; %d values are kept, alone %d\n%s", bytes.Equal(got, want), len(also), len(kept), said)
	}
	if !strings.Contains(said.String(), "is computed here alone") {
		t.Errorf("it is not said:\n%s", said)
	}
}

// TestAlone: with workers of another version everything is computed here.
func TestAlone(t *testing.T) {
	needsTime(t)
	cfg, err := pictures(t.TempDir())
	must(t, err)
	want, kept := fit(t, cfg, nil)
	url := server(t)
	other, err := cluster.Open(t.Context(), cluster.Options{URL: url, Version: "2"})
	must(t, err)
	defer other.Close()
	refused := make(chan error, 1)
	go func() {
		refused <- work(t.Context(), other, NewWorker(other, group, "other", t.TempDir()), func() {})
	}()
	c, said := crew(t, url)
	c.patience = time.Second
	got, also := fit(t, cfg, c)
	if !bytes.Equal(got, want) || !reflect.DeepEqual(also, kept) {
		t.Errorf("the model is the same: %v; %d values are kept, alone %d", bytes.Equal(got, want), len(also), len(kept))
	}
	if s := c.Summary(); s.Others > 0 || !strings.Contains(said.String(), "other has version 2") {
		t.Errorf("%+v\n%s", s, said)
	}
	select {
	case err := <-refused:
		if !errors.Is(err, cluster.ErrRefused) {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("a worker of another version stays")
	}
}
