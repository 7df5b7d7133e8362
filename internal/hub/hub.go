// Package hub fetches models and data sets from the Hugging Face hub into the cache that
// huggingface_hub shares with other programs, and finds there what was fetched before.
//
// The road of a file: Open asks which commit a revision is and what files it has. Fetch asks for a
// file's checksum, which names its blob, downloads the blob unless it is there, checks it, and links
// the snapshot's file to it. A broken download goes on where it ended. Several processes may fetch
// the same file at once: one downloads, and the others wait for it.
package hub

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/hub/layout"
)

// Hub is a hub and the cache of its files. It may be used from many goroutines.
type Hub struct {
	Endpoint string // address, without a slash at the end
	Token    string // "" for none
	Cache    string // folder of the repositories
	Offline  bool   // the network is not used, only the cache

	// Progress is called while a file is downloaded, nil for never.
	Progress func(Progress)
	// Note is called with what a user should know, nil for never.
	Note func(string)

	client *http.Client
	sleep  func(context.Context, time.Duration) error
}

// Progress says how much of a file is there.
type Progress struct {
	File       string // the name of the repository and the file
	Done, Size int64  // bytes; Size is -1 if it is not known
}

// FromEnv returns the hub that the environment describes, by the variables of huggingface_hub:
// HF_ENDPOINT, HF_TOKEN or the token that its login wrote, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE.
func FromEnv() (*Hub, error) {
	endpoint := os.Getenv("HF_ENDPOINT")
	if endpoint == "" {
		endpoint = "https://huggingface.co"
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("hub: HF_ENDPOINT is %q: give an address such as https://huggingface.co", endpoint)
	}
	h := New(strings.TrimRight(endpoint, "/"), layout.CacheDir())
	h.Offline = isSet("HF_HUB_OFFLINE") || isSet("TRANSFORMERS_OFFLINE")
	h.Token = token()
	return h, nil
}

// New returns the hub at an address, without a token.
func New(endpoint, cache string) *Hub {
	return &Hub{Endpoint: endpoint, Cache: cache, client: newClient(), sleep: sleep}
}

// isSet reports whether a variable switches something on, as huggingface_hub reads it.
func isSet(key string) bool {
	switch strings.ToUpper(os.Getenv(key)) {
	case "1", "ON", "YES", "TRUE":
		return true
	}
	return false
}

// token is that of the environment, else that of the last login.
func token() string {
	for _, key := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if t := strings.TrimSpace(os.Getenv(key)); t != "" {
			return t
		}
	}
	if isSet("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
		return ""
	}
	path := os.Getenv("HF_TOKEN_PATH")
	if path == "" {
		path = filepath.Join(layout.Home(), "token")
	}
	b, _ := os.ReadFile(path) // none is no error
	return strings.TrimSpace(string(b))
}

func (h *Hub) note(format string, a ...any) {
	if h.Note != nil {
		h.Note(fmt.Sprintf(format, a...))
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
