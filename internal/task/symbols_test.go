package task

import (
	"slices"
	"testing"
)

// TestScoreNames: a list of labels has as many lines as the head has scores, none of them empty, and
// gives the symbols back.
func TestScoreNames(t *testing.T) {
	ctc := &CTC{Symbols: []string{"\n", " ", "<", "a", "é", "\u00a0"}}
	names := ScoreNames(ctc)
	if want := []string{"<blank>", "<U+000A>", "<space>", "<", "a", "é", "<U+00A0>"}; !slices.Equal(names, want) || len(names) != ctc.Scores() {
		t.Errorf("names %q, want %q", names, want)
	}
	if back, ok := Symbols(names); !ok || !slices.Equal(back, ctc.Symbols) {
		t.Errorf("back %q, %v", back, ok)
	}
	if s, ok := Symbols([]string{"a", "<blank>"}); ok {
		t.Errorf("classes are symbols %q", s)
	}
}
