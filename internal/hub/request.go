package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/version"
)

// Limits of waiting.
const (
	answerWithin = 30 * time.Second // for a server's first bytes
	quietWithin  = time.Minute      // between two parts of a download
	mostTries    = 5                // without any progress
	longestWait  = 5 * time.Minute  // that a server may ask for
)

// headers that the hub sends.
const (
	commitHeader = "X-Repo-Commit"
	etagHeader   = "X-Linked-Etag" // checksum of the file behind a redirect
	sizeHeader   = "X-Linked-Size"
	codeHeader   = "X-Error-Code"
)

func newClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = answerWithin
	return &http.Client{Transport: t, CheckRedirect: checkRedirect}
}

// checkRedirect lets a request follow the hub to where a file lies, but never takes the token to
// another host, nor an encrypted request to an open one. A HEAD request ends where the hub says what
// lies behind the redirect.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch away := req.URL.Host != first.URL.Host; {
	case len(via) > 10:
		return errors.New("more than 10 redirects")
	case first.URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("redirected from https to %s", req.URL.Scheme)
	case first.Method == http.MethodHead && (away || req.Response.Header.Get(etagHeader) != ""):
		return http.ErrUseLastResponse
	case away:
		req.Header.Del("Authorization")
	}
	return nil
}

// transient is an error that may go away.
type transient struct {
	err   error
	after time.Duration // that the server asks to wait, 0 if it does not say
}

func (t *transient) Error() string { return t.err.Error() }
func (t *transient) Unwrap() error { return t.err }

// send asks the hub for something, from a byte on. An answer that is not what was asked for is an
// error. The caller closes the body.
func (h *Hub) send(ctx context.Context, method, address string, from int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity") // sizes and checksums are those of the file
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	return h.do(ctx, h.client, req)
}

// do makes a request to the hub, with the token. An address that the hub gave may be elsewhere: that
// never gets the token.
func (h *Hub) do(ctx context.Context, client *http.Client, req *http.Request) (*http.Response, error) {
	if hub, err := url.Parse(h.Endpoint); h.Token != "" && err == nil && hub.Host == req.URL.Host && hub.Scheme == req.URL.Scheme {
		req.Header.Set("Authorization", "Bearer "+h.Token)
	}
	return answered(ctx, client, req)
}

// answered makes a request, and makes an error of an answer that is one.
func answered(ctx context.Context, client *http.Client, req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", "permafrost/"+version.Version)
	r, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &transient{err: err}
	}
	switch {
	case r.StatusCode/100 == 2, r.StatusCode/100 == 3 && req.Method == http.MethodHead:
		return r, nil
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable && req.Header.Get("Range") != "":
		return r, nil
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16)) // what it says is a help, no more
	r.Body.Close()
	err = &statusError{r.StatusCode, r.Header.Get(codeHeader), r.Status, messageOf(body)}
	if r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500 {
		return nil, &transient{err, retryAfter(r.Header.Get("Retry-After"), time.Now())}
	}
	return nil, err
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return time.Duration(min(n, 1<<30)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}

// statusError is an answer of the hub that is an error.
type statusError struct {
	code   int
	reason string // X-Error-Code
	status string
	said   string // the hub's own words, "" for none
}

// messageOf is what an answer says in words: {"error": "..."}.
func messageOf(body []byte) string {
	var said struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	return strings.Join(strings.Fields(said.Error), " ")
}

func (e *statusError) Error() string { return "the hub answers " + e.status }

// persist repeats attempt while its errors may go away, up to so many tries without progress.
func (h *Hub) persist(ctx context.Context, tries int, attempt func() (progress bool, err error)) error {
	for try := 1; ; try++ {
		progress, err := attempt()
		var t *transient
		if err == nil || !errors.As(err, &t) {
			return err
		}
		if progress {
			try = 1
		}
		wait := time.Second << (try - 1)
		if t.after > 0 {
			wait = t.after
		}
		switch {
		case wait > longestWait:
			return fmt.Errorf("%w, and to wait %v: try again then", err, wait.Round(time.Second))
		case try >= tries:
			return err
		}
		if err := h.sleep(ctx, wait); err != nil {
			return err
		}
	}
}
