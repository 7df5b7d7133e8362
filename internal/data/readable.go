package data

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// unread are formats in which people keep examples and that are not read, by extension, with what
// turns them into one that is.
var unread = map[string]string{
	".arrow":   "Arrow is not read: write it as CSV",
	".feather": "Feather is not read: write it as CSV",
	".npy":     "arrays of NumPy are not read: write a CSV with a line of names and a column label",
	".npz":     "arrays of NumPy are not read: write a CSV with a line of names and a column label",
	".xlsx":    "spreadsheets are not read: save it as CSV",
	".xls":     "spreadsheets are not read: save it as CSV",
	".ods":     "spreadsheets are not read: save it as CSV",
	".json":    "JSON is not read: write it as JSONL, one object a line",
	".pkl":     "pickles are not read: write it as CSV",
	".h5":      "HDF5 is not read: write it as CSV",
}

// Readable errors if nothing is at a place, or a file of examples in a known format that is not
// read; it says how to convert that. A folder is one if it holds such files under the names of
// splits and no table.
func Readable(p Place) error {
	if p.IsZero() || p.Rows != nil {
		return nil
	}
	if _, err := p.stat(); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data: %s: no such file or folder", p.Path)
	}
	if p.IsDir() {
		if s, err := FindSplitFiles(p, TableFormats); err != nil || !s.IsZero() || p.HasFolders() {
			return nil // what is wrong is said where they are read
		}
		for _, ext := range slices.Sorted(maps.Keys(unread)) {
			if s, err := FindSplitFiles(p, []string{ext}); err == nil && !s.Train.IsZero() {
				return Readable(s.Train)
			}
		}
		return nil
	}
	if how, ok := unread[strings.ToLower(filepath.Ext(p.Path))]; ok && p.IsFile() {
		return fmt.Errorf("data: %s: %s", p.Path, how)
	}
	return nil
}
