package permafrost_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestExtendingPage holds the code that docs/extending.md shows to the files that it names, whose
// tests run it.
func TestExtendingPage(t *testing.T) {
	b, err := os.ReadFile("docs/extending.md")
	if err != nil {
		t.Fatal(err)
	}
	file, n := regexp.MustCompile("`([a-z/]*_test\\.go)`"), 0
	page := string(b)
	for {
		before, rest, ok := strings.Cut(page, "```go\n")
		if !ok {
			break
		}
		code, after, _ := strings.Cut(rest, "```")
		named := file.FindAllStringSubmatch(before, -1)
		if named == nil {
			t.Fatalf("the page names no file of the code\n%s", code)
		}
		name := named[len(named)-1][1]
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), code) {
			t.Errorf("the page shows other code than that of %s", name)
		}
		page, n = after, n+1
	}
	if n < 7 {
		t.Errorf("the page shows %d additions, want an operator, a schedule, a selector, a criterion, a task, a data kind and a command", n)
	}
}
