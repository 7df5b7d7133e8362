package run

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestRunFolderPage: docs/run-folder.md explains every file of a run folder.
func TestRunFolderPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/run-folder.md")
	must(t, err)
	for _, name := range slices.Concat([]string{LastCheckpoint, BestCheckpoint}, runFiles, besideFiles) {
		if name == CheckpointsDir { // a folder
			continue
		}
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/run-folder.md says nothing of %s", name)
		}
	}
	for _, state := range []string{Done, Interrupted, Failed, Unfinished} {
		if !strings.Contains(string(page), "| "+state+" |") {
			t.Errorf("docs/run-folder.md says nothing of the state %s", state)
		}
	}
}
