package cluster

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// wornStore is a store in the middle of work, with 20 jobs done and 20 not, and a blob. It is made
// once, and copied.
func wornStore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	c, _ := open(t, Options{Store: dir})
	q := openQueue(t, c, "a")
	ctx := soon(t)
	stop := work(t, c, "w", double)
	if err := q.Submit(ctx, submissions(0, 20)...); err != nil {
		t.Fatal(err)
	}
	collect(t, q, 20)
	stop()
	if err := q.Submit(ctx, submissions(20, 40)...); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(ctx, strings.NewReader("a blob")); err != nil {
		t.Fatal(err)
	}
	c.Close()
	return dir
}

// files lists the files of the server in a store.
func files(t *testing.T, store string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(store, "jetstream"), func(path string, d fs.DirEntry, err error) error {
		if info, ierr := d.Info(); err == nil && ierr == nil && !d.IsDir() && info.Size() > 0 {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// flip changes one bit of a file.
func flip(path string, r *rand.Rand) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	return os.WriteFile(path, b, 0o600)
}

// tear cuts a file off.
func tear(path string, r *rand.Rand) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, r.Int64N(info.Size()))
}

// TestDamage flips a bit of a file of the store, tears it or deletes it, each of its files in turn. The
// coordinator, whose own log holds nothing, submits all jobs again: all have the right result.
func TestDamage(t *testing.T) {
	needsTime(t)
	worn := wornStore(t)
	r := rand.New(rand.NewPCG(1, 2))
	said := 0
	harms := []struct {
		name string
		do   func(string, *rand.Rand) error
	}{{"flipped", flip}, {"torn", tear}, {"deleted", func(path string, _ *rand.Rand) error { return os.Remove(path) }}}
	for i, file := range files(t, worn) {
		for k, harm := range harms {
			if k != i%3 && filepath.Ext(file) != ".blk" {
				continue
			}
			rel, _ := filepath.Rel(worn, file)
			t.Run(fmt.Sprint(filepath.Base(file), " ", i, " ", harm.name), func(t *testing.T) {
				store := t.TempDir()
				if err := os.CopyFS(store, os.DirFS(worn)); err != nil {
					t.Fatal(err)
				}
				if err := harm.do(filepath.Join(store, rel), r); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				c, events := open(t, Options{Store: store, Cache: t.TempDir()})
				defer func() {
					if t.Failed() {
						t.Logf("%s, %v\n%s", rel, time.Since(began), events)
					}
					said += events.count(Rebuilt) + events.count(Resubmitted)
				}()
				q := openQueue(t, c, "a")
				work(t, c, "w", double)
				if err := q.Submit(soon(t), submissions(0, 40)...); err != nil {
					t.Fatal(err)
				}
				collect(t, q, 40)
				d, err := c.Put(soon(t), strings.NewReader("a blob"))
				if err == nil {
					_, err = c.Fetch(soon(t), d)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	if said == 0 {
		t.Error("nothing was said of any damage")
	}
}

// TestCutStream takes away the messages of many jobs that are done: new jobs are given out at once,
// though the group has seen as many before.
func TestCutStream(t *testing.T) {
	store := t.TempDir()
	c, _ := open(t, Options{Store: store})
	q := openQueue(t, c, "a")
	stop := work(t, c, "w", double)
	if err := q.Submit(soon(t), submissions(0, 300)...); err != nil {
		t.Fatal(err)
	}
	collect(t, q, 300)
	stop()
	c.Close()
	blocks, err := filepath.Glob(filepath.Join(store, "jetstream", "*", "streams", jobsStream, "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatal(blocks, err)
	}
	for _, file := range blocks {
		if err := os.Truncate(file, 100); err != nil {
			t.Fatal(err)
		}
	}
	c, events := open(t, Options{Store: store})
	q = openQueue(t, c, "a")
	work(t, c, "w", double)
	if err := q.Submit(soon(t), submissions(300, 303)...); err != nil {
		t.Fatal(err)
	}
	collect(t, q, 303)
	if n := events.count(Resubmitted); n > 2 {
		t.Errorf("the jobs were submitted again %d times", n)
	}
}

// TestPassedResult: where results were cut off, new ones come to places that their reader has passed.
// It goes back for them.
func TestPassedResult(t *testing.T) {
	c, _ := open(t, Options{})
	q := openQueue(t, c, "a")
	ctx := soon(t)
	if err := q.Submit(ctx, submissions(0, 2)...); err != nil {
		t.Fatal(err)
	}
	q.Close() // its reader sees nothing more
	work(t, c, "w", double)
	waitFor(t, func() bool {
		group, err := c.js.Consumer(ctx, jobsStream, "work")
		return err == nil && group.CachedInfo().AckFloor.Stream == 2
	}, "both jobs")
	for after, want := range map[uint64]uint64{0: 0, 1: 0, 2: 0, 99: 0} {
		cur := cursor{after: after}
		if lost, err := q.lost(ctx, &cur); err != nil || len(lost) > 0 || cur.after != want {
			t.Errorf("after %d: %v lost, the reader goes on after %d (%v)", after, lost, cur.after, err)
		}
	}
}
