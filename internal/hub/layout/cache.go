package layout

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The folders of a repository in the cache. Blobs holds the contents under their checksums,
// Snapshots a folder for each commit with links to them, Refs a file for each branch or tag with
// its commit.
const (
	Blobs     = "blobs"
	Snapshots = "snapshots"
	Refs      = "refs"
	Locks     = ".locks" // beside the repositories
)

// Home is the folder of the settings that programs of the hub share: HF_HOME, else huggingface in
// the user's cache, which is XDG_CACHE_HOME or ~/.cache on every system.
func Home() string {
	if home := os.Getenv("HF_HOME"); home != "" {
		return expand(home)
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = "~/.cache"
	}
	return filepath.Join(expand(cache), "huggingface")
}

// CacheDir is the folder of the repositories: HF_HUB_CACHE, else hub below Home.
func CacheDir() string {
	for _, key := range []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"} {
		if dir := os.Getenv(key); dir != "" {
			return expand(dir)
		}
	}
	return filepath.Join(Home(), "hub")
}

// expand replaces variables, and ~ at the start.
func expand(path string) string {
	path = os.ExpandEnv(path)
	if path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`) {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, path[1:])
		}
	}
	return path
}

// Folder is the name of the repository's folder in the cache, such as models--owner--name.
func (n Name) Folder() string {
	return string(n.Kind) + "--" + strings.ReplaceAll(n.Repo, "/", "--")
}

// RepoOf returns the repository's folder for a path in one of its snapshots, which may be the
// snapshot itself. It goes by the names of the folders only.
func RepoOf(path string) (repo string, ok bool) {
	repo, _, _, ok = parts(path)
	return repo, ok
}

// Pinned returns the name of a path in a snapshot of the user's cache, with the commit as its
// revision. Any other path is returned as it is.
func Pinned(path string) string {
	repo, commit, file, ok := parts(path)
	if !ok {
		return path
	}
	if cache, err := filepath.Abs(CacheDir()); err != nil || filepath.Dir(repo) != cache {
		return path
	}
	kind, name, _ := strings.Cut(filepath.Base(repo), "--")
	if Kind(kind) == Datasets {
		file = shardForm.ReplaceAllString(file, "")
	}
	n := Name{Kind: Kind(kind), Repo: strings.Replace(name, "--", "/", 1), Revision: commit, File: file}
	if again, err := Parse(n.String()); err != nil || again != n {
		return path
	}
	return n.String()
}

// shardForm is what follows a split in the name of its file, or in a pattern of several.
var shardForm = regexp.MustCompile(`(-\*|-\d+-of-\d+)?\.parquet$`)

// parts divides a path in a snapshot: repo/snapshots/commit/file.
func parts(path string) (repo, commit, file string, ok bool) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", "", "", false
	}
	for dir := path; ; {
		up := filepath.Dir(dir)
		if up == dir {
			return "", "", "", false
		}
		if filepath.Base(up) == Snapshots && IsCommit(filepath.Base(dir)) {
			repo = filepath.Dir(up)
			if kind, name, _ := strings.Cut(filepath.Base(repo), "--"); name != "" && (Kind(kind) == Models || Kind(kind) == Datasets) {
				rel, err := filepath.Rel(dir, path)
				if rel == "." { // the snapshot itself
					rel = ""
				}
				return repo, filepath.Base(dir), filepath.ToSlash(rel), err == nil
			}
		}
		dir = up
	}
}
