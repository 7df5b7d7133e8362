package permafrost

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/hub"
	"github.com/permafrost-ml/permafrost/internal/hub/layout"
	"github.com/permafrost-ml/permafrost/internal/publish"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// PushOptions say what of a run goes to a hub, and where.
type PushOptions struct {
	// To is the repository, hf:OWNER/NAME, or hf:OWNER/NAME@BRANCH for a branch that is there. Empty:
	// nothing is uploaded.
	To string
	// Out is the folder to make, which must not hold anything. Empty: the folder hub in that of the
	// run, in place of an earlier one.
	Out     string
	License string // for the model card, as apache-2.0; empty: it says none
	Delta   bool   // delta.safetensors in place of model.onnx
	Private bool   // a repository that is not there yet is made private
	DryRun  bool   // nothing is uploaded
	Message string // of the commit; empty: one that names the run
}

// Pushed says what Push made and uploaded. Its JSON form is what push --json prints.
type Pushed struct {
	Out   string   `json:"out"`   // the folder
	Files []string `json:"files"` // in it
	Bytes int64    `json:"bytes"` // of them

	Uploaded bool     `json:"uploaded"`
	Why      string   `json:"why,omitempty"`    // why nothing was uploaded
	URL      string   `json:"url,omitempty"`    // of the repository
	Commit   string   `json:"commit,omitempty"` // empty if the repository had every file already
	Changed  int      `json:"changed"`          // files that the repository lacked or had otherwise
	Sent     int64    `json:"sent_bytes"`       // without those that the hub had already
	Notes    []string `json:"-"`                // what a user should know
}

// PushFolder is the folder in that of a run which Push makes by default.
const PushFolder = "hub"

// Push makes the folder that a hub's repository holds of a run: the tuned model or its delta, how its
// input is prepared, its labels, what was frozen and the proof, and a model card with the run's numbers.
// Then it uploads it in one commit, if a repository is named; that needs a token (HF_TOKEN, or that of the
// hub's login), and errors without one before anything is made. Nothing in the folder tells where files lie
// here, and no example is in it.
//
// An upload that broke goes on when Push is called again: what the hub has is not sent again. Errors of
// the run, the options and the hub are ErrBadInput. WithProgress shows the upload.
func Push(ctx context.Context, run string, o PushOptions, opts ...Option) (*Pushed, error) {
	set := optionsOf(opts)
	name, err := repository(o.To)
	if err != nil {
		return nil, err
	}
	h, err := hub.FromEnv()
	if err != nil {
		return nil, badInput(err)
	}
	upload := o.To != "" && !o.DryRun
	switch {
	case upload && h.Offline:
		return nil, badOption("to", "%s: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, and nothing is uploaded offline: unset it, or give option dry_run for the folder alone", name.Short())
	case upload && h.Token == "":
		return nil, badOption("to", "%s: an upload needs a token that may write: set HF_TOKEN, or log in with hf auth login; option dry_run makes the folder alone", name.Short())
	}
	out := o.Out
	if out == "" {
		out = filepath.Join(run, PushFolder)
	}
	f, err := publish.Make(run, out, publish.Options{Repo: name.Repo, License: o.License, Delta: o.Delta, Replace: o.Out == ""})
	if err != nil {
		return nil, badInput(err)
	}
	p := &Pushed{Out: out, Files: f.Files, Bytes: f.Bytes, Notes: f.Notes}
	switch {
	case o.To == "":
		p.Why = "no repository is named (option to)"
	case o.DryRun:
		p.Why = "option dry_run"
	default:
		h.Progress = func(at hub.Progress) {
			set.emit(&report.Download{File: at.File, Done: at.Done, Size: at.Size, Up: true})
		}
		h.Note = func(text string) { p.Notes = append(p.Notes, text) }
		if o.Message == "" {
			o.Message = "Upload a model fine-tuned with permafrost"
		}
		up, err := h.Push(ctx, name, out, hub.PushOptions{Message: o.Message, Private: o.Private})
		if err != nil {
			return nil, badInput(err)
		}
		p.Uploaded, p.URL, p.Commit, p.Changed, p.Sent = true, up.URL, up.Commit, up.Changed, up.Bytes
	}
	return p, nil
}

// repository reads the name of a repository to write to. It is empty for "".
func repository(to string) (layout.Name, error) {
	if to == "" {
		return layout.Name{}, nil
	}
	if !layout.Is(to) {
		to = layout.Scheme + to
	}
	n, err := layout.Parse(to)
	switch {
	case err != nil:
		return n, badOption("to", "%w", err)
	case n.Kind != layout.Models:
		return n, badOption("to", "%s is a data set: name a model's repository, as hf:owner/name", n.Short())
	case n.File != "":
		return n, badOption("to", "%s names a file: name the repository alone, %s", to, n.Short())
	case !strings.Contains(n.Repo, "/"):
		return n, badOption("to", "%s has no owner: give it as hf:owner/name", n.Short())
	case layout.IsCommit(n.Revision):
		return n, badOption("to", "%s is a commit, which never changes: name a branch", n.Revision)
	}
	return n, nil
}
