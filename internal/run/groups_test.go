package run

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
)

// A lone last example joins the batch before it where batch statistics are taken, and only there.
func TestLoneExampleJoinsBatch(t *testing.T) {
	for name, c := range map[string]struct {
		thaw, batchnorm string
		batch           int
		want            string
	}{
		"batch statistics":        {"all", "auto", 47, "48"},
		"several batches":         {"all", "auto", 23, "23 24"},
		"running statistics":      {"all", "frozen", 47, "47 1"},
		"head only":               {"head", "auto", 47, "47 1"},
		"nothing lone":            {"all", "auto", 46, "46 2"},
		"batches of one as asked": {"all", "auto", 1, strings.TrimSpace(strings.Repeat("1 ", 48))},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := tinyConfig(t)
			cfg.Thaw, cfg.BatchNorm, cfg.Batch = []string{c.thaw}, c.batchnorm, c.batch
			s, err := Prepare(context.Background(), cfg)
			must(t, err)
			if name == "several batches" { // 47 examples
				s.Train = s.Train.Subset(data.FileOrder(47))
			}
			seen := map[int]bool{}
			var sizes []string
			for _, g := range s.groups(0) {
				sizes = append(sizes, strconv.Itoa(len(g.Indices)))
				for _, i := range g.Indices {
					seen[i] = true
				}
			}
			if got := strings.Join(sizes, " "); got != c.want || len(seen) != s.Train.Len() || s.stepsPerEpoch() != len(sizes) {
				t.Errorf("batches of %s with %d examples in %d steps, want %s", got, len(seen), s.stepsPerEpoch(), c.want)
			}
			joins := len(sizes) < s.Train.Batches(c.batch)
			if said := strings.Contains(strings.Join(s.Notes, "\n"), "a batch of one: it joins"); said != joins && name != "several batches" {
				t.Errorf("joins %v, said %v", joins, said)
			}
		})
	}
}

// A fit whose lone example joins the batch before it is that of batches of this size, bit for bit,
// wherever frozen values come from.
func TestFitOfJoinedBatch(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Thaw, cfg.Epochs, cfg.LR = []string{"all"}, 2, 0.01
	var want []byte
	for _, c := range []struct {
		batch int
		cache string
	}{{48, "ram"}, {47, "ram"}, {47, "off"}} {
		cfg.Batch, cfg.Cache, cfg.Out = c.batch, c.cache, t.TempDir()
		mustFit(t, cfg)
		got := read(t, cfg.Out, ModelFile)
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("batches of %d, cache %s: another model", c.batch, c.cache)
		}
	}
}
