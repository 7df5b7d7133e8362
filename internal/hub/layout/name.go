// Package layout knows names of the Hugging Face hub and where its files lie in the cache that
// huggingface_hub and other programs share. It reaches no network.
package layout

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Scheme begins a name of the hub.
const Scheme = "hf:"

// Kind is a kind of repository, as it is called in addresses and in the cache.
type Kind string

// The kinds of repositories.
const (
	Models   Kind = "models"
	Datasets Kind = "datasets"
)

// Main is the revision of a name that has none.
const Main = "main"

// Name is a repository of the hub, or a file in it.
type Name struct {
	Kind     Kind
	Repo     string // owner/name, or the name alone for repositories without an owner
	Revision string // a branch, a tag or a commit
	File     string // of Models a file with slashes, of Datasets a split; "" for the one to be found
}

var (
	repoForm     = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$`)
	revisionForm = regexp.MustCompile(`^\w[\w./-]*$`)
	commitForm   = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// Is reports whether a text is meant as a name of the hub.
func Is(text string) bool { return strings.HasPrefix(text, Scheme) }

// IsCommit reports whether a revision is a commit in full, which never moves.
func IsCommit(revision string) bool { return commitForm.MatchString(revision) }

// Parse reads hf:owner/name[@revision][:file] and hf:datasets/owner/name[@revision][:split].
func Parse(text string) (Name, error) {
	n := Name{Kind: Models, Revision: Main}
	form := "hf:owner/name[@revision][:file]"
	rest := strings.TrimPrefix(text, Scheme)
	if inner, ok := strings.CutPrefix(rest, string(Datasets)+"/"); ok {
		n.Kind, rest, form = Datasets, inner, "hf:datasets/owner/name[@revision][:split]"
	}
	rest, file, named := strings.Cut(rest, ":")
	n.File = file
	repo, revision, pinned := strings.Cut(rest, "@")
	n.Repo = repo
	if pinned {
		n.Revision = revision
	}
	bad := func(what string) (Name, error) {
		return Name{}, fmt.Errorf("hub: %q: %s; the form is %s", text, what, form)
	}
	switch {
	case !repoForm.MatchString(repo) || strings.Contains(repo, "--") || strings.Contains(repo, ".."):
		return bad(fmt.Sprintf("%q is no repository", repo))
	case !revisionForm.MatchString(n.Revision) || !IsPath(n.Revision):
		return bad(fmt.Sprintf("%q is no revision", revision))
	case named && !IsPath(file):
		return bad(fmt.Sprintf("%q is no file", file))
	}
	return n, nil
}

// String is the name as Parse reads it.
func (n Name) String() string {
	text := n.Short()
	if n.Revision != Main {
		text += "@" + n.Revision
	}
	if n.File != "" {
		text += ":" + n.File
	}
	return text
}

// Short is the name of the repository alone.
func (n Name) Short() string {
	if n.Kind == Models {
		return Scheme + n.Repo
	}
	return Scheme + string(n.Kind) + "/" + n.Repo
}

// IsPath reports whether name is a path of a file below a folder, with slashes, in its shortest form.
func IsPath(name string) bool {
	return name != "" && name != "." && path.Clean(name) == name && !strings.Contains(name, `\`) && filepath.IsLocal(filepath.FromSlash(name))
}
