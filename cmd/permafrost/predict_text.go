package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/permafrost-ml/permafrost"
	"github.com/spf13/cobra"
)

const (
	textsAtOnce = 256     // lines of a stream that are answered together
	longestLine = 8 << 20 // bytes
)

// predictTexts answers texts, or continues them if c is given. It takes the given texts, else the
// lines of files, else those of stdin. A stream is answered as it arrives.
func predictTexts(a *answerWriter, m *permafrost.Model, files, texts []string, c *permafrost.Continuation) error {
	var last error // why some of the texts could not be used
	failed := 0
	err := eachText(a.cmd.InOrStdin(), files, texts, func(texts []string) error {
		found, skipped, err := predictOrContinue(a.cmd, m, texts, c)
		if a.cmd.Context().Err() != nil {
			return err
		}
		if err != nil {
			last, failed = err, failed+len(texts)
			return nil
		}
		return a.add(found, skipped)
	})
	switch {
	case err != nil:
		return err
	case a.given == 0 && last != nil:
		return last
	case a.given == 0:
		return errors.New("no text given: name files of one text a line, pipe them in, or use --text")
	}
	if failed > 0 {
		note(a.cmd, "skipped %d texts: %v", failed, last)
		a.unused += failed
	}
	return a.finish()
}

// predictOrContinue answers texts, or continues them if c is given.
func predictOrContinue(cmd *cobra.Command, m *permafrost.Model, texts []string, c *permafrost.Continuation) ([]permafrost.Prediction, []permafrost.Skipped, error) {
	if c == nil {
		return m.Predict(cmd.Context(), permafrost.Texts(texts...))
	}
	found, notes, err := m.Continue(cmd.Context(), texts, *c)
	for _, n := range notes {
		note(cmd, "%s", n)
	}
	return found, nil, err
}

// eachText passes texts on, several at a time.
func eachText(stdin io.Reader, files, texts []string, answer func([]string) error) error {
	if len(texts) > 0 {
		if err := answer(texts); err != nil || len(files) == 0 {
			return err
		}
	} else if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		if isTable(name) {
			return fmt.Errorf("%s is a table: name tables of texts alone, without other texts, and only for a model that does not continue them", name)
		}
		r := stdin
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			r = f
		}
		if err := eachLine(r, answer); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// isTable reports whether a file is a table by its name.
func isTable(name string) bool {
	return slices.Contains([]string{".csv", ".tsv", ".jsonl"}, strings.ToLower(filepath.Ext(name)))
}

func eachLine(r io.Reader, answer func([]string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), longestLine)
	var lines []string
	for n := 1; s.Scan(); n++ {
		if !utf8.Valid(s.Bytes()) || bytes.IndexByte(s.Bytes(), 0) >= 0 {
			return fmt.Errorf("line %d is no text in UTF-8, and the model takes texts, one a line", n)
		}
		if line := strings.TrimSuffix(s.Text(), "\r"); strings.TrimSpace(line) != "" {
			lines = append(lines, line)
		}
		if len(lines) == textsAtOnce {
			if err := answer(lines); err != nil {
				return err
			}
			lines = nil
		}
	}
	if err := s.Err(); err != nil {
		return err
	}
	if len(lines) == 0 {
		return nil
	}
	return answer(lines)
}
