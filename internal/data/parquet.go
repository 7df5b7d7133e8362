package data

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data/shards"
)

// At is the place of a path of the machine's file system. Parquet files, a folder of them or of
// folders of them that are named like splits, and a glob such as data/train-*.parquet are tables, see
// package shards: one for each split that the files' names tell, as train-00000-of-00005.parquet
// does.
func At(path string) Place {
	p := Place{Path: path}
	files := ParquetFiles(path)
	if len(files) == 0 {
		return p
	}
	root := path
	if !p.IsDir() {
		root = filepath.Dir(path)
	}
	root = filepath.ToSlash(root)
	tables := tablesIn(files)
	set := shards.New(root, tables)
	if len(tables) == 1 {
		return Place{FS: set, Path: set.TablePath(tables[0].Name)}
	}
	return Place{FS: set, Path: root}
}

const parquetEnding = ".parquet"

// ParquetFiles lists the Parquet files that a path names, see At, none if it names something else.
func ParquetFiles(path string) []string {
	p := Place{Path: path}
	switch ending := strings.EqualFold(filepath.Ext(p.Path), parquetEnding); {
	case p.IsDir():
		if tables, err := FindSplitFiles(p, TableFormats); err != nil || !tables.IsZero() {
			return nil
		}
		files := parquetIn(p)
		entries, _ := p.list()
		for _, e := range entries {
			if dir := p.Join(e.Name()); splitOf(e.Name()) != noSplit && dir.IsDir() {
				files = append(files, parquetIn(dir)...)
			}
		}
		return files
	case ending && p.IsFile():
		return []string{p.Path}
	case ending:
		files, _ := filepath.Glob(p.Path)
		slices.SortFunc(files, natural)
		return files
	}
	return nil
}

func parquetIn(dir Place) (files []string) {
	entries, err := dir.list()
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if p := dir.Join(e.Name()); strings.EqualFold(filepath.Ext(e.Name()), parquetEnding) && !hidden(e.Name()) && p.IsFile() {
			files = append(files, p.Path)
		}
	}
	slices.SortFunc(files, natural)
	return files
}

var (
	shardForm  = regexp.MustCompile(`-\d+-of-\d+$`)
	numberForm = regexp.MustCompile(`^(part[-_.]?)?\d+`)
)

// tablesIn sorts files into tables by what their names, or else those of their folders, call them.
func tablesIn(files []string) (tables []shards.Table) {
	for _, file := range files {
		name := shardForm.ReplaceAllString(stem(filepath.Base(file)), "")
		if numberForm.MatchString(name) {
			name = filepath.Base(filepath.Dir(file))
		}
		i := slices.IndexFunc(tables, func(t shards.Table) bool { return t.Name == name })
		if i < 0 {
			i, tables = len(tables), append(tables, shards.Table{Name: name})
		}
		tables[i].Files = append(tables[i].Files, file)
	}
	return tables
}
