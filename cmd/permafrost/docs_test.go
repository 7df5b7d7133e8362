package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// docCommand is a command that a page shows.
type docCommand struct {
	at   string // page:line
	args []string
}

// spans are pieces of code within a line of text.
var spans = regexp.MustCompile("`([^`]+)`")

// docCommands finds the commands of this program in a page: in lines of code, and in code within
// text.
func docCommands(page, text string) []docCommand {
	var out []docCommand
	fenced, prompt := false, false
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line, at := lines[i], fmt.Sprintf("%s:%d", page, i+1)
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced, prompt = !fenced, false
			continue
		}
		if strings.HasPrefix(line, "$ ") {
			prompt = true
		} else if prompt {
			continue // what a command prints
		}
		pieces := []string{line}
		if fenced || strings.HasPrefix(line, "    ") {
			for strings.HasSuffix(pieces[0], "\\") && i+1 < len(lines) {
				i++
				pieces[0] = strings.TrimSuffix(pieces[0], "\\") + " " + lines[i]
			}
		} else {
			pieces = nil
			for _, m := range spans.FindAllStringSubmatch(line, -1) {
				pieces = append(pieces, m[1])
			}
		}
		for _, p := range pieces {
			for _, args := range shellWords(p) {
				if len(args) > 2 && args[0] == "go" && args[1] == "run" && args[2] == "./cmd/permafrost" {
					args = append([]string{"permafrost"}, args[3:]...)
				}
				if args[0] == "permafrost" && (len(args) == 1 || !strings.HasSuffix(args[1], ":")) { // permafrost fit: is an error
					out = append(out, docCommand{at, args[1:]})
				}
			}
		}
	}
	return out
}

// shellWords splits a line as a shell does, into the commands between pipes and their words. What is
// quoted stays together, a prompt and what comes after # or a gap of three spaces is left out.
func shellWords(line string) [][]string {
	var commands [][]string
	var words []string
	var word strings.Builder
	in, quote, gap := false, rune(0), 0
	end := func() {
		if in {
			words = append(words, word.String())
		}
		word.Reset()
		in = false
	}
	next := func() {
		if end(); len(words) > 0 {
			commands = append(commands, words)
		}
		words = nil
	}
	line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
scan:
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			in, quote = true, r
		case unicode.IsSpace(r):
			if end(); len(words) > 0 {
				gap++
			}
			if gap == 3 {
				break scan
			}
			continue
		case r == '#' && !in:
			break scan
		case r == '|' || r == ';' || r == '&':
			next()
		case r == '<' || r == '>':
			end()
			next()
			words = append(words, "redirected")
		default:
			in = true
			word.WriteRune(r)
		}
		gap = 0
	}
	next()
	return commands
}

// TestDocCommands holds every command that a page shows to the commands and flags that there are.
func TestDocCommands(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, _ := filepath.Glob("../../docs/*/*.md")
	n := 0
	for _, page := range append(append(pages, more...), "../../README.md", "../../CHANGELOG.md") {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range docCommands(filepath.ToSlash(strings.TrimPrefix(page, "../../")), string(b)) {
			n++
			if err := parses(c.args); err != nil {
				t.Errorf("%s: permafrost %s: %v", c.at, strings.Join(c.args, " "), err)
			}
		}
	}
	if n < 150 {
		t.Errorf("only %d commands were found", n)
	}
}

// placeholder is a word that stands for a number, as N or $seed.
var placeholder = regexp.MustCompile(`^([A-Z]|\$.*)$`)

// parses errors where a command or one of its flags does not exist, or a flag cannot have its value.
func parses(args []string) error {
	root := newRoot("")
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.InitDefaultVersionFlag()
	for i, a := range args {
		if placeholder.MatchString(a) {
			args[i] = "1"
		}
	}
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if cmd == root && cmd.Flags().NArg() > 0 {
		return fmt.Errorf("there is no command %s", cmd.Flags().Arg(0))
	}
	return nil
}

func TestShellWords(t *testing.T) {
	for line, want := range map[string]string{
		"$ permafrost fit --thaw 'a b',!c":       "[[permafrost fit --thaw a b,!c]]",
		"permafrost demo        the whole story": "[[permafrost demo]]",
		"permafrost demo  # the story":           "[[permafrost demo]]",
		"a | permafrost predict - > x && b":      "[[a] [permafrost predict -] [redirected x] [b]]",
		"":                                       "[]",
	} {
		if got := fmt.Sprint(shellWords(line)); got != want {
			t.Errorf("%q: %s, want %s", line, got, want)
		}
	}
}
