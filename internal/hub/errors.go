package hub

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/hub/layout"
)

// explain says what an error means for a name, and what a user can do.
func (h *Hub) explain(n layout.Name, file string, err error) error {
	if err == nil {
		return nil
	}
	of := n.Short()
	var s *statusError
	if !errors.As(err, &s) {
		if file != "" {
			of += ":" + file
		}
		return fmt.Errorf("hub: %s: %w", of, err)
	}
	web := h.Endpoint + "/" + n.Repo
	if n.Kind != layout.Models {
		web = fmt.Sprintf("%s/%s/%s", h.Endpoint, n.Kind, n.Repo)
	}
	switch {
	case s.reason == "GatedRepo" || s.code == http.StatusForbidden:
		if h.Token == "" {
			return fmt.Errorf("hub: %s is gated: accept its terms at %s, and give your token in HF_TOKEN", of, web)
		}
		return fmt.Errorf("hub: %s is gated, and the token in use may not read it: accept its terms at %s with the account of the token", of, web)
	case s.reason == "EntryNotFound" || s.code == http.StatusNotFound && file != "" && s.reason == "":
		return fmt.Errorf("hub: %s has no file %s at revision %s", of, file, n.Revision)
	case s.reason == "RevisionNotFound" || s.code == http.StatusNotFound && n.Revision != layout.Main && s.reason == "":
		return fmt.Errorf("hub: %s has no revision %s: see %s/tree/main for those it has", of, n.Revision, web)
	case s.code == http.StatusUnauthorized && h.Token != "":
		return fmt.Errorf("hub: no %s that the token in use may read: check the name, and the token in HF_TOKEN", of)
	case s.code == http.StatusUnauthorized:
		return fmt.Errorf("hub: no %s that anyone may read: check the name; for a private repository give a token in HF_TOKEN", of)
	case s.code == http.StatusNotFound:
		return fmt.Errorf("hub: no %s: check the name", of)
	case s.code == http.StatusTooManyRequests && h.Token == "":
		return fmt.Errorf("hub: %s: %w; with a token in HF_TOKEN the hub allows more requests", of, err)
	}
	return fmt.Errorf("hub: %s: %w", of, err)
}

// explainPush says what an error of an upload means, and what a user can do.
func (h *Hub) explainPush(n layout.Name, file string, err error) error {
	if err == nil {
		return nil
	}
	of := n.Short()
	if file != "" {
		of += ":" + file
	}
	var s *statusError
	if !errors.As(err, &s) {
		return fmt.Errorf("hub: %s: %w", of, err)
	}
	said := ""
	if s.said != "" {
		said = fmt.Sprintf("; it says: %s", s.said)
	}
	switch s.code {
	case http.StatusUnauthorized:
		return fmt.Errorf("hub: the token in use is not known to %s: give one that may write in HF_TOKEN%s", h.Endpoint, said)
	case http.StatusForbidden:
		return fmt.Errorf("hub: the token in use may not write to %s: give one of %s that may, or name another owner%s", n.Short(), n.Repo[:max(strings.IndexByte(n.Repo, '/'), 0)], said)
	case http.StatusNotFound:
		return fmt.Errorf("hub: %s has no branch %s to write to, or the token in use may not see it%s", n.Short(), n.Revision, said)
	case http.StatusConflict, http.StatusPreconditionFailed:
		return fmt.Errorf("hub: %s: others commit to %s at the same time: try again%s", n.Short(), n.Revision, said)
	}
	return fmt.Errorf("hub: %s: %w%s", of, err, said)
}
