package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	wantError := func(err error, part string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v, want an error with %q", err, part)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	must(Write(path, text("first")))
	err := Write(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half of the sec")
		return errors.New("disk on fire")
	})
	wantError(err, "disk on fire")
	if b, _ := os.ReadFile(path); string(b) != "first" {
		t.Errorf("%q after a failed write", b)
	}
	must(Write(path, text("second")))
	if b, _ := os.ReadFile(path); string(b) != "second" {
		t.Errorf("%q", b)
	}
	// A file that a killed program left behind is in nobody's way.
	must(os.WriteFile(tempName(path, 0), nil, 0o666))
	must(Write(path, text("third")))
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("%v beside the file and the one left behind", files)
	}
	wantError(Write(filepath.Join(dir, "no", "x"), text("")), "no")
}

func TestCheckDir(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for path, fine := range map[string]bool{
		dir:                            true,
		filepath.Join(dir, "new"):      true,
		filepath.Join(dir, "new", "2"): true,
		filepath.Join(file, "below"):   false,
	} {
		if err := CheckDir(path); (err == nil) != fine {
			t.Errorf("%s: %v", path, err)
		}
	}
	for path, fine := range map[string]bool{
		file:                          true,
		filepath.Join(dir, "new"):     true,
		dir:                           false,
		filepath.Join(dir, "no", "x"): false,
		filepath.Join(file, "below"):  false,
	} {
		if err := CheckFile(path); (err == nil) != fine {
			t.Errorf("the file %s: %v", path, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
