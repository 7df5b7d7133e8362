package run

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestFollow: a run that is followed as it grows, one that is glanced at when it has ended, and one that
// is read as a whole are described alike.
func TestFollow(t *testing.T) {
	dir, cfg := t.TempDir(), tinyConfig(t)
	session, err := Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	d, err := CreateRunDir(filepath.Join(dir, "run"), &session.Config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Fit(t.Context(), d, false); err != nil {
		t.Fatal(err)
	}
	want, err := Read(d.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	want.Curve = nil
	glanced := Follow(d.Path)
	if err := glanced.Update(os.DirFS(d.Path), nil); err != nil {
		t.Fatal(err)
	}
	same(t, "glanced at", glanced.Listed, want)

	all, err := os.ReadFile(d.File(EventsFile))
	if err != nil {
		t.Fatal(err)
	}
	grows := &RunDir{Path: filepath.Join(dir, "grows")}
	if err := os.Mkdir(grows.Path, 0o777); err != nil {
		t.Fatal(err)
	}
	f := Follow(d.Path)
	lines := strings.SplitAfter(string(all), "\n")
	for i := range lines {
		written := strings.Join(lines[:i], "") + lines[i][:len(lines[i])/2] // the last one is being written
		if err := os.WriteFile(grows.File(EventsFile), []byte(written), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := f.Update(os.DirFS(grows.Path), nil); err != nil && i > 0 {
			t.Fatalf("after %d lines: %v", i, err)
		}
		if i > 0 && i < len(lines)-1 && f.State != Unfinished {
			t.Fatalf("after %d lines it is %s", i, f.State)
		}
	}
	same(t, "followed", f.Listed, want)
	if err := os.WriteFile(grows.File(EventsFile), []byte(lines[0]), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := f.Update(os.DirFS(grows.Path), nil); err != nil || f.State != Unfinished || f.Epochs != 0 {
		t.Errorf("begun anew: %s, %d epochs, %v", f.State, f.Epochs, err)
	}
}

// same compares descriptions, but for the options, of which the events have those that were chosen.
func same(t *testing.T, what string, got, want *Listed) {
	t.Helper()
	a, b := *got, *want
	a.Config, b.Config = Listed{}.Config, Listed{}.Config
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s: %+v, want %+v", what, a, b)
	}
	if !reflect.DeepEqual(got.Config.Thaw, want.Config.Thaw) || got.Config.Model != want.Config.Model {
		t.Errorf("%s: thaw %q of %s, want %q of %s", what, got.Config.Thaw, got.Config.Model, want.Config.Thaw, want.Config.Model)
	}
}
