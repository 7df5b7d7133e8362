package run

import (
	"os"
	"testing"
)

// TestMain keeps the tests from reading and writing the user's cache.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "permafrost-cache")
	if err != nil {
		panic(err)
	}
	os.Setenv("PERMAFROST_CACHE", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}
