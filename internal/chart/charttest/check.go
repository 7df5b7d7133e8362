// Package charttest checks pages in tests.
package charttest

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Element is an element of a page.
type Element struct {
	Name string
	Attr map[string]string
}

// Check errors where a page is not well formed, needs the network, has scripts but its own, numbers
// that are none, or pictures without words. It returns the elements.
func Check(t *testing.T, page []byte) []Element {
	t.Helper()
	out := Served(t, page)
	scripts := 0
	for _, e := range out {
		if e.Name == "script" {
			scripts++
		}
	}
	if scripts != 1 {
		t.Errorf("%d scripts", scripts)
	}
	return out
}

// Served is Check for a page of a server, whose scripts are files of their own.
func Served(t *testing.T, page []byte) []Element {
	t.Helper()
	if at := regexp.MustCompile(`(?i)\b(src|href|url|@import|fetch)\b[=(:\s"']*(https?:)?//`).Find(page); at != nil {
		t.Errorf("the page names an address: %s", at)
	}
	wellFormed(t, page)
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var out []Element
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		e := Element{n.Data, map[string]string{}}
		for _, a := range n.Attr {
			if e.Attr[a.Key] = a.Val; strings.HasPrefix(a.Key, "on") {
				t.Errorf("<%s> has %s", n.Data, a.Key)
			}
			if strings.Contains(a.Val, "NaN") || strings.Contains(a.Val, "Inf") || strings.Contains(a.Val, "ZgotmplZ") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
		switch {
		case n.Data == "svg" && e.Attr["aria-hidden"] != "true" && (e.Attr["role"] != "img" || e.Attr["aria-label"] == ""):
			t.Error("a picture has no words for those who cannot see it")
		}
		out = append(out, e)
	}
	return out
}

// wellFormed errors where an element is not closed, or closed in the wrong place.
func wellFormed(t *testing.T, page []byte) {
	t.Helper()
	void := map[string]bool{"meta": true, "input": true, "br": true, "img": true, "link": true}
	var open []string
	for z := html.NewTokenizer(bytes.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("%v are not closed", open)
			}
			return
		case html.StartTagToken:
			if name, _ := z.TagName(); !void[string(name)] {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}
