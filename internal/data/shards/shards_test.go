package shards_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/permafrost-ml/permafrost/internal/data/shards"
)

// picture is a row as the hub stores it.
type picture struct {
	Image *struct {
		Bytes []byte  `parquet:"bytes,optional"`
		Path  *string `parquet:"path,optional"`
	} `parquet:"image,optional"`
	Label  *int64   `parquet:"label,optional"`
	Tags   []int64  `parquet:"tags,list"`
	Weight float64  `parquet:"weight"`
	Words  []string `parquet:"words,list"`
	Who    string   `parquet:"who,dict"`
	Box    struct {
		X int32 `parquet:"x"`
		Y int32 `parquet:"y"`
	} `parquet:"box"`
}

const described = `{"info":{"features":{"image":{"_type":"Image"},"label":{"names":["cat","dog"],"_type":"ClassLabel"},"tags":{"feature":{"names":["big","wild"],"_type":"ClassLabel"},"_type":"Sequence"},"who":{"dtype":"string","_type":"Value"}}}}`

// content is the file of a row, of varying length.
func content(i int) []byte { return bytes.Repeat([]byte{byte(i), 'x'}, 50+i%70) }

// write writes rows from first on, in groups, with small pages.
func write(t *testing.T, path string, first, n int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[picture](f, parquet.PageBufferSize(500), parquet.MaxRowsPerRowGroup(37), parquet.Compression(&parquet.Snappy), parquet.KeyValueMetadata("huggingface", described))
	for i := first; i < first+n; i++ {
		p := picture{Tags: []int64{}, Weight: float64(i) / 4, Who: fmt.Sprint("person ", i%3)}
		label, name := int64(i%2), fmt.Sprintf("dir/pic %d.png", i)
		p.Label = &label
		p.Image = &struct {
			Bytes []byte  `parquet:"bytes,optional"`
			Path  *string `parquet:"path,optional"`
		}{content(i), &name}
		switch i % 10 {
		case 3:
			p.Label = nil
		case 4:
			*p.Label = -1
		case 5:
			p.Image.Path = nil
		case 6:
			p.Tags, p.Words = []int64{0, 1}, []string{"a", `"b"`, "ö"}
		case 7:
			p.Image = nil
		}
		if _, err := w.Write([]picture{p}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTable(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "train-0.parquet"), filepath.Join(dir, "train-1.parquet")
	write(t, a, 0, 100)
	write(t, b, 100, 55)
	set := shards.New("root/dir", []shards.Table{{Name: "train", Files: []string{a, b}}, {Name: "test", Files: []string{a}}})

	entries, err := fs.ReadDir(set, "root/dir")
	if err != nil || len(entries) != 2 || entries[0].Name() != "test.jsonl" && entries[1].Name() != "test.jsonl" {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	text, err := fs.ReadFile(set, set.TablePath("train"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 155 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, want := range map[int]string{
		0:   `{"file":"train/0-pic 0.png","label":"cat","tags":[],"weight":0,"words":[],"who":"person 0"}`,
		3:   `{"file":"train/3-pic 3.png","label":null,"tags":[],"weight":0.75,"words":[],"who":"person 0"}`,
		14:  `{"file":"train/14-pic 14.png","label":null,"tags":[],"weight":3.5,"words":[],"who":"person 2"}`,
		105: `{"file":"train/105.bin","label":"dog","tags":[],"weight":26.25,"words":[],"who":"person 0"}`,
		146: `{"file":"train/146-pic 146.png","label":"cat","tags":["big","wild"],"weight":36.5,"words":["a","\"b\"","ö"],"who":"person 2"}`,
		107: `{"file":"train/107.bin","label":"dog","tags":[],"weight":26.75,"words":[],"who":"person 2"}`,
	} {
		if lines[i] != want {
			t.Errorf("line %d is\n%s, want\n%s", i, lines[i], want)
		}
	}
	var files []string
	for _, line := range lines {
		var row struct{ File string }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		files = append(files, "root/dir/"+row.File)
	}
	order := make([]int, len(files))
	for i := range order {
		order[i] = i
	}
	shuffled := slices.Clone(order)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(order), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	backward := slices.Clone(order)
	slices.Reverse(backward)
	var wg sync.WaitGroup
	for _, rows := range [][]int{order, shuffled, backward} {
		wg.Go(func() {
			for _, i := range rows {
				got, err := fs.ReadFile(set, files[i])
				if i%10 == 7 {
					if err == nil || !strings.Contains(err.Error(), "holds no file") {
						t.Errorf("row %d, which has none: %v", i, err)
					}
				} else if err != nil || !bytes.Equal(got, content(i)) {
					t.Errorf("row %d: %d bytes, %v", i, len(got), err)
				}
			}
		})
	}
	wg.Wait()
	for _, name := range []string{"root/dir/train/155.png", "root/dir/train/-1", "root/dir/train/x", "root/dir/val.jsonl", "root/dir/val/0.png", "root/dirty/train.jsonl", "/etc/passwd", "root/dir/../x"} {
		if _, err := set.Open(name); err == nil {
			t.Errorf("%s is there", name)
		}
	}
}

func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole.parquet")
	write(t, whole, 0, 100)
	b, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "damaged.parquet")
	read := func(b []byte) error {
		if err := os.WriteFile(file, b, 0o666); err != nil {
			t.Fatal(err)
		}
		set := shards.New("r", []shards.Table{{Name: "t", Files: []string{file}}})
		_, err := fs.ReadFile(set, "r/t.jsonl")
		for i := range 100 {
			if _, of := fs.ReadFile(set, fmt.Sprintf("r/t/%d.png", i)); i%10 != 7 && err == nil {
				err = of
			}
		}
		return err
	}
	if err := read(b); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"empty": nil, "cut": b[:len(b)/2], "text": []byte("no table at all, nor anything like it"), "no start": b[len(b)/2:]} {
		if err := read(b); err == nil || !strings.Contains(err.Error(), "damaged.parquet: damaged, or no Parquet file") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 { // it never panics
		c := bytes.Clone(b)
		for range 1 + r.IntN(8) {
			c[r.IntN(len(c))] = byte(r.Uint32())
		}
		_ = read(c)
	}
	other := filepath.Join(dir, "other.parquet")
	if err := parquet.WriteFile(other, []struct{ A string }{{"x"}}); err != nil {
		t.Fatal(err)
	}
	set := shards.New("r", []shards.Table{{Name: "t", Files: []string{whole, other}}})
	if _, err := fs.ReadFile(set, "r/t.jsonl"); err == nil || !strings.Contains(err.Error(), "no shards of one table") {
		t.Errorf("shards of two tables: %v", err)
	}
}

// TestOtherWriter: testdata/hub.parquet was written by hyparquet-writer 0.x for JavaScript, with
// converted types in place of logical ones, a list of classes as older files describe it, and no index
// of pages.
func TestOtherWriter(t *testing.T) {
	set := shards.New("r", []shards.Table{{Name: "t", Files: []string{filepath.Join("testdata", "hub.parquet")}}})
	text, err := fs.ReadFile(set, "r/t.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 50 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, want := range map[int]string{
		0:  `{"file":"t/0-p0.png","label":"a","labels":[],"text":"text 0","score":0}`,
		4:  `{"file":"t/4-p4.png","label":"b","labels":[],"text":"text 4","score":0.5}`,
		11: `{"file":"t/11.bin","label":"c","labels":["y","y"],"text":null,"score":1.375}`,
		48: `{"file":"t/48-p48.png","label":"a","labels":["x","y"],"text":"text 48","score":6}`,
	} {
		if lines[i] != want {
			t.Errorf("line %d is\n%s, want\n%s", i, lines[i], want)
		}
	}
	for _, i := range []int{0, 1, 2, 30, 31, 49, 5, 22, 48, 19, 20, 21} {
		if b, err := fs.ReadFile(set, fmt.Sprintf("r/t/%d.png", i)); err != nil || !bytes.Equal(b, bytes.Repeat([]byte{byte(i)}, 20+i)) {
			t.Errorf("row %d: %v, %v", i, b, err)
		}
	}
}

// TestEncodings: every encoding and compression of values, in pages of both versions.
func TestEncodings(t *testing.T) {
	type row struct {
		Plain  string   `parquet:"plain,plain"`
		Dict   string   `parquet:"dict,dict"`
		Length string   `parquet:"length,delta"`
		Delta  int64    `parquet:"delta,delta"`
		Small  int32    `parquet:"small,delta,optional"`
		Split  float32  `parquet:"split,split"`
		Double *float64 `parquet:"double,split"`
		Bool   bool     `parquet:"bool"`
		List   []string `parquet:"list,list,dict"`
	}
	var rows []row
	var want strings.Builder
	for i := range 700 {
		r := row{fmt.Sprint("p", i), fmt.Sprint("d", i%5), strings.Repeat("l", i%9), int64(i) * 1e10, int32(i % 50), float32(i) / 4, nil, i%3 == 0, nil}
		if i%4 > 0 {
			x := float64(i) / 8
			r.Double = &x
		}
		for k := range i % 4 {
			r.List = append(r.List, fmt.Sprint(k))
		}
		rows = append(rows, r)
		small, double, list := any(r.Small), any(r.Double), r.List
		if r.Small == 0 {
			small = nil
		}
		if list == nil {
			list = []string{}
		}
		var cells []string
		for _, c := range []struct {
			name string
			v    any
		}{{"plain", r.Plain}, {"dict", r.Dict}, {"length", r.Length}, {"delta", r.Delta}, {"small", small}, {"split", r.Split}, {"double", double}, {"bool", r.Bool}, {"list", list}} {
			b, err := json.Marshal(c.v)
			if err != nil {
				t.Fatal(err)
			}
			cells = append(cells, fmt.Sprintf("%q:%s", c.name, b))
		}
		fmt.Fprintf(&want, "{%s}\n", strings.Join(cells, ","))
	}
	for _, version := range []int{1, 2} {
		for name, codec := range map[string]compress.Codec{"none": &parquet.Uncompressed, "snappy": &parquet.Snappy, "gzip": &parquet.Gzip, "zstd": &parquet.Zstd, "brotli": &parquet.Brotli} {
			file := filepath.Join(t.TempDir(), "x.parquet")
			if err := parquet.WriteFile(file, rows, parquet.DataPageVersion(version), parquet.Compression(codec), parquet.PageBufferSize(1000), parquet.MaxRowsPerRowGroup(300)); err != nil {
				t.Fatal(err)
			}
			set := shards.New("r", []shards.Table{{Name: "t", Files: []string{file}}})
			got, err := fs.ReadFile(set, "r/t.jsonl")
			if name == "brotli" {
				if err == nil || !strings.Contains(err.Error(), "compressed by BROTLI, which is not read") {
					t.Errorf("brotli: %v", err)
				}
			} else if err != nil || string(got) != want.String() {
				at := 0
				for at < min(len(got), want.Len()) && got[at] == want.String()[at] {
					at++
				}
				t.Errorf("version %d, %s: %v, differs at %.200s, want %.200s", version, name, err, got[at:], want.String()[at:])
			}
		}
	}
}
