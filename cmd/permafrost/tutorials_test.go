package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestTutorials runs the tutorials in an empty folder, command by command, and holds what they show
// to what comes out, but for numbers. They need no network and no files.
func TestTutorials(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every tutorial")
	}
	pages, err := filepath.Glob("../../docs/tutorials/*.md")
	if err != nil || len(pages) < 5 {
		t.Fatalf("%d tutorials, %v", len(pages), err)
	}
	for i, page := range pages {
		if pages[i], err = filepath.Abs(page); err != nil {
			t.Fatal(err)
		}
	}
	for _, page := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(page), ".md"), func(t *testing.T) {
			b, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("PERMAFROST_CACHE", t.TempDir())
			t.Chdir(t.TempDir())
			commands := transcript(string(b))
			if len(commands) < 4 {
				t.Fatalf("only %d commands", len(commands))
			}
			s := shell{t: t}
			defer s.wait()
			for _, c := range commands {
				s.run(c.line, c.shown)
			}
		})
	}
}

// shown is a command of a transcript and what stands below it.
type shown struct{ line, shown string }

// transcript finds the commands in the fences of a page, each on a line that begins with $. Other
// fences have none.
func transcript(page string) (out []shown) {
	fenced := false
	begun := 0 // commands before this fence
	for line := range strings.Lines(page) {
		switch command, ok := strings.CutPrefix(line, "$ "); {
		case strings.HasPrefix(line, "```"):
			fenced, begun = !fenced, len(out)
		case !fenced:
		case ok:
			out = append(out, shown{line: strings.TrimSpace(command)})
		case len(out) == begun: // of a fence without commands
		case strings.HasSuffix(out[len(out)-1].line, "\\"):
			c := &out[len(out)-1]
			c.line = strings.TrimSuffix(c.line, "\\") + strings.TrimSpace(line)
		default:
			out[len(out)-1].shown += line
		}
	}
	return out
}

// shell runs the lines of a transcript: cd, cp, commands of this program, commands of it in the
// background (&) and wait.
type shell struct {
	t       *testing.T
	running sync.WaitGroup
}

var (
	substitution = regexp.MustCompile(`"\$\(cat ([^)]+)\)"`)
	backgrounds  = 2 * time.Minute // that one may take
)

func (s *shell) run(line, want string) {
	s.t.Helper()
	line, background := strings.CutSuffix(line, " &")
	line = substitution.ReplaceAllStringFunc(line, func(m string) string { return s.read(substitution.FindStringSubmatch(m)[1]) })
	words := shellWords(line)[0]
	switch words[0] {
	case "cd":
		s.t.Chdir(words[1])
	case "cp":
		b, err := os.ReadFile(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		write(s.t, words[2], b)
	case "wait":
		s.wait()
	case "permafrost":
		if background {
			s.running.Go(func() {
				var out lines
				if code := execute(words[1:], strings.NewReader(""), &out, &out); code != exitDone {
					s.t.Errorf("%s: exit %d\n%s", line, code, out.String())
				}
			})
			return
		}
		var stdout, stderr bytes.Buffer
		code := execute(words[1:], strings.NewReader(""), &stdout, &stderr)
		if code != exitDone {
			s.t.Fatalf("%s: exit %d\n%s%s", line, code, stdout.String(), stderr.String())
		}
		if got := stderr.String() + stdout.String(); !shows(want, got) {
			s.t.Errorf("%s: the page shows\n%s\nand this comes out\n%s", line, want, got)
		}
	default:
		s.t.Fatalf("%s: this test does not know %s", line, words[0])
	}
}

// read waits for a file that a command in the background writes.
func (s *shell) read(path string) string {
	s.t.Helper()
	for end := time.Now().Add(backgrounds); ; time.Sleep(20 * time.Millisecond) {
		if b, err := os.ReadFile(path); err == nil && len(b) > 0 {
			return strings.TrimSpace(string(b))
		}
		if time.Now().After(end) {
			s.t.Fatalf("%s is not written", path)
		}
	}
}

// wait waits for what runs in the background.
func (s *shell) wait() {
	s.t.Helper()
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(backgrounds):
		s.t.Fatal("a command in the background does not end")
	}
}

// shows reports whether a page shows what a command prints: the same lines, but for numbers, white
// space and notes. A line ... stands for any lines.
func shows(page, printed string) bool {
	got := ""
	for line := range strings.Lines(printed) {
		if line = shape(line); line != "" && !strings.HasPrefix(line, "note:") {
			got += line + "\n"
		}
	}
	want := ""
	for line := range strings.Lines(page) {
		switch line = shape(line); line {
		case "":
		case "...":
			want += "(.*\n)*"
		default:
			want += regexp.QuoteMeta(line) + "\n"
		}
	}
	return regexp.MustCompile("^" + want + "$").MatchString(got)
}

func TestShows(t *testing.T) {
	const printed = "note: a guess\naccuracy  91.2% in 31 ms\nmodel     run/model.onnx\n"
	for page, want := range map[string]bool{
		"accuracy 90% in 2 s\nmodel run/model.onnx\n": true,
		"accuracy 90% in 2 s\n...\n":                  true,
		"...\nmodel run/model.onnx\n":                 true,
		"accuracy 90% in 2 s\n":                       false,
		"accuracy 90% in 2 s\nmodel x/model.onnx\n":   false,
		"": false,
	} {
		if got := shows(page, printed); got != want {
			t.Errorf("%q: %v", page, got)
		}
	}
}
