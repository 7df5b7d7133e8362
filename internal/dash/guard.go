package dash

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// policy lets a page load only what this server sends: no inline script and no inline style.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guarded lets through only requests that a page of this server, or a person, has made.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime)) // streams move it
		r.Body = http.MaxBytesReader(w, r.Body, bodyMost)
		if !s.hostAllowed(r.Host) {
			s.fail(w, r, http.StatusMisdirectedRequest, errors.New("this page is not called by that name: use localhost, the address in numbers, or name it with option host"))
			return
		}
		if err := ownSite(r); err != nil {
			s.fail(w, r, http.StatusForbidden, err)
			return
		}
		if s.o.Token != "" && !s.signedIn(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostAllowed reports whether a page may be called by the name in Host. A name that someone else's
// name server gives this machine's address (DNS rebinding) is not among them.
func (s *Server) hostAllowed(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return name == "localhost" || slices.ContainsFunc(s.o.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

var crossOrigin = http.NewCrossOriginProtection()

// ownSite errors on requests that another site's page made a browser send.
func ownSite(r *http.Request) error {
	err := crossOrigin.Check(r)
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		err = errors.New("the request comes from another site")
	case "":
		if origin := r.Header.Get("Origin"); origin != "" {
			if u, e := url.Parse(origin); e != nil || u.Host != r.Host {
				err = errors.New("the request comes from another site")
			}
		}
	}
	if err != nil {
		return errors.New("the request comes from another site: type the address of this page, or follow a link on it")
	}
	return nil
}
