package dash

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
)

// cookieName is the cookie that says that a browser has presented the token.
const cookieName = "permafrost-ui"

// sameToken compares two secrets in a time that does not depend on where they differ.
func sameToken(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return hmac.Equal(x[:], y[:])
}

// pass is what the cookie holds: it proves the token without containing it.
func (s *Server) pass() string {
	m := hmac.New(sha256.New, []byte(s.o.Token))
	m.Write([]byte("permafrost ui"))
	return hex.EncodeToString(m.Sum(nil))
}

// signedIn reports whether a request presents the token: in the cookie, in Authorization, in the
// address that the program printed, or in the form of the page that asks for it. It answers those
// that do not, and those that sign in.
func (s *Server) signedIn(w http.ResponseWriter, r *http.Request) bool {
	if c, err := r.Cookie(cookieName); err == nil && sameToken(c.Value, s.pass()) {
		if r.URL.Path != "/" || !r.URL.Query().Has("token") {
			return true
		}
	}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && sameToken(bearer, s.o.Token) {
		return true
	}
	switch {
	case r.URL.Path == "/assets/app.js" || r.URL.Path == "/style.css": // of the page that asks
		return true
	case r.URL.Path == "/" && r.Method == http.MethodGet && r.URL.Query().Has("token"):
		if sameToken(r.URL.Query().Get("token"), s.o.Token) {
			s.signIn(w, r)
			return false
		}
	case r.URL.Path == "/token" && r.Method == http.MethodPost:
		if sameToken(r.PostFormValue("token"), s.o.Token) {
			s.signIn(w, r)
			return false
		}
		s.render(w, r, http.StatusForbidden, "sign-in", page{Title: "Token", Error: "That is not the token."})
		return false
	}
	if wantsPage(r) {
		s.render(w, r, http.StatusUnauthorized, "sign-in", page{Title: "Token"})
	} else {
		s.fail(w, r, http.StatusUnauthorized, errors.New("the token is missing: open the address that permafrost ui printed"))
	}
	return false
}

// signIn leaves the cookie, and the address without the token.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: s.pass(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// wantsPage reports whether a request is that of a person who looks at a page.
func wantsPage(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}
