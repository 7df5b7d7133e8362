package hub

import (
	"errors"
	"fmt"
	"net/http"

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
