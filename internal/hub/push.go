package hub

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/hub/layout"
)

// PushOptions say how a folder is uploaded.
type PushOptions struct {
	Message string // of the commit
	Private bool   // a repository that is not there yet is made private
}

// Pushed says what was uploaded.
type Pushed struct {
	Commit  string // "" if the repository had every file already
	URL     string // of the repository, for people
	Files   int    // in the folder
	Changed int    // that the repository had not, or otherwise
	Bytes   int64  // sent of them, without those that the hub had
}

// Limits of an upload.
const (
	sampleBytes    = 512             // of a file, by which the hub tells text from data
	mostInline     = 16 << 20        // bytes of a file that goes into the commit itself
	commitWithin   = 5 * time.Minute // for the hub's answer to a commit
	conflictsAtAll = 4               // tries where others commit at the same time
)

// Push makes the files of a folder the files of a model's repository, in one commit to the revision of
// the name, a branch. Other files of the repository stay. A repository that is not there is made. Large
// files go to the hub's store first, in parts where the hub asks for that; what the store has already
// is not sent again, so a push that broke goes on when it is repeated. It needs a token that may write.
func (h *Hub) Push(ctx context.Context, n layout.Name, dir string, o PushOptions) (*Pushed, error) {
	if h.Token == "" {
		return nil, errors.New("hub: to upload, give a token that may write in HF_TOKEN")
	}
	files, err := filesToPush(dir)
	if err != nil {
		return nil, err
	}
	p := &push{Hub: h, name: n, files: files, options: o, out: &Pushed{URL: h.Endpoint + "/" + n.Repo, Files: len(files)}}
	if err := h.persist(ctx, mostTries, func() (bool, error) { return false, p.create(ctx) }); err != nil {
		return nil, h.explainPush(n, "", err)
	}
	// Whether a commit whose answer was lost has happened, the next try sees: nothing has changed then.
	err = h.persist(ctx, conflictsAtAll, func() (bool, error) { return false, p.attempt(ctx) })
	return p.out, h.explainPush(n, p.at, err)
}

// push is an upload in progress.
type push struct {
	*Hub
	name    layout.Name
	files   []*pushFile
	options PushOptions
	at      string // the file that is being sent
	out     *Pushed
}

// create makes the repository, unless it is there.
func (p *push) create(ctx context.Context) error {
	owner, name, ok := strings.Cut(p.name.Repo, "/")
	if !ok {
		return errors.New("the name has no owner: give it as hf:owner/name")
	}
	body := map[string]any{"type": "model", "organization": owner, "name": name}
	if p.options.Private {
		body["private"] = true
	}
	err := p.call(ctx, p.Endpoint+"/api/repos/create", body, nil)
	var s *statusError
	if !errors.As(err, &s) || s.code != http.StatusConflict && s.code != http.StatusForbidden && s.code != http.StatusUnauthorized {
		return err
	}
	if s.code == http.StatusConflict {
		return nil // it is there
	}
	// A token may be good for this repository and not for making others.
	if r, e := p.send(ctx, http.MethodGet, p.Endpoint+"/api/models/"+p.name.Repo, 0); e == nil {
		r.Body.Close()
		return nil
	}
	return err
}

// attempt uploads what the repository has not, and commits.
func (p *push) attempt(ctx context.Context) error {
	changed, err := p.preupload(ctx)
	if err != nil || len(changed) == 0 {
		return err
	}
	p.out.Changed = len(changed)
	var large []*pushFile
	for _, f := range changed {
		if f.large {
			large = append(large, f)
		}
	}
	if len(large) > 0 {
		if err := p.uploadLarge(ctx, large); err != nil {
			return err
		}
	}
	return p.commit(ctx, changed)
}

// preupload asks how the hub wants each file, and returns those that differ from what it has.
func (p *push) preupload(ctx context.Context) ([]*pushFile, error) {
	type ask struct {
		Path   string `json:"path"`
		Sample []byte `json:"sample"`
		Size   int64  `json:"size"`
	}
	var asked struct {
		Files []ask `json:"files"`
	}
	for _, f := range p.files {
		asked.Files = append(asked.Files, ask{f.name, f.sample, f.size})
	}
	type wish struct {
		Path   string `json:"path"`
		Mode   string `json:"uploadMode"`
		Ignore bool   `json:"shouldIgnore"`
		OID    string `json:"oid"` // of what the repository has under this name
	}
	var answer struct {
		Files []wish `json:"files"`
	}
	address := fmt.Sprintf("%s/api/models/%s/preupload/%s", p.Endpoint, p.name.Repo, revisionPath(p.name.Revision))
	if err := p.call(ctx, address, asked, &answer); err != nil {
		return nil, err
	}
	var out []*pushFile
	for _, f := range p.files {
		i := slices.IndexFunc(answer.Files, func(a wish) bool { return a.Path == f.name })
		if i < 0 {
			return nil, fmt.Errorf("the hub does not say how it wants %s", f.name)
		}
		a := answer.Files[i]
		f.large = a.Mode == "lfs"
		switch {
		case a.Mode != "lfs" && a.Mode != "regular":
			return nil, fmt.Errorf("the hub wants %s in a way that is not known (%q)", f.name, a.Mode)
		case !f.large && f.size > mostInline:
			return nil, fmt.Errorf("the hub wants %s of %d bytes inside of the commit", f.name, f.size)
		case a.Ignore:
			p.note("the hub's settings of %s leave out %s", p.name.Short(), f.name)
		case a.OID == "" || a.OID != f.git && a.OID != f.sha256:
			out = append(out, f)
		}
	}
	return out, nil
}

// revisionPath is a revision as a part of an address.
func revisionPath(revision string) string { return strings.ReplaceAll(revision, "/", "%2F") }

// commit makes one commit of the files: small ones inside, large ones by their checksums.
func (p *push) commit(ctx context.Context, files []*pushFile) error {
	var b bytes.Buffer
	line := func(key string, value any) error {
		return json.NewEncoder(&b).Encode(map[string]any{"key": key, "value": value})
	}
	if err := line("header", map[string]string{"summary": cmp.Or(p.options.Message, "Upload with permafrost"), "description": ""}); err != nil {
		return err
	}
	var sent int64
	for _, f := range files {
		var err error
		if f.large {
			err = line("lfsFile", map[string]any{"path": f.name, "algo": "sha256", "oid": f.sha256, "size": f.size})
		} else {
			var content []byte
			if content, err = os.ReadFile(f.path); err == nil {
				err = line("file", map[string]string{"path": f.name, "encoding": "base64", "content": base64.StdEncoding.EncodeToString(content)})
			}
			sent += f.size
		}
		if err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, commitWithin)
	defer cancel()
	address := fmt.Sprintf("%s/api/models/%s/commit/%s", p.Endpoint, p.name.Repo, revisionPath(p.name.Revision))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(b.Bytes()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	r, err := p.do(ctx, p.patient(), req)
	var s *statusError
	if errors.As(err, &s) && (s.code == http.StatusConflict || s.code == http.StatusPreconditionFailed) {
		return &transient{err: err} // somebody else committed
	}
	if err != nil {
		return err
	}
	defer r.Body.Close()
	var answer struct {
		OID string `json:"commitOid"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&answer); err != nil {
		return fmt.Errorf("the hub's answer to the commit cannot be read: %w", err)
	}
	p.out.Commit, p.out.Bytes = answer.OID, p.out.Bytes+sent
	return nil
}

// patient is the client with time for the hub to take in a commit, which it answers at the end.
func (h *Hub) patient() *http.Client {
	c := *h.client
	if t, ok := c.Transport.(*http.Transport); ok {
		t = t.Clone()
		t.ResponseHeaderTimeout = commitWithin
		t.DisableKeepAlives = true // it is for one request
		c.Transport = t
	}
	return &c
}

// call sends JSON to the hub and reads the JSON that it answers into to, unless that is nil.
func (h *Hub) call(ctx context.Context, address string, body, to any) error {
	return h.callAs(ctx, address, "application/json", body, to)
}

func (h *Hub) callAs(ctx context.Context, address, kind string, body, to any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Accept", kind)
	r, err := h.do(ctx, h.client, req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if to == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 64<<20)).Decode(to); err != nil {
		return fmt.Errorf("the hub's answer cannot be read: %w", err)
	}
	return nil
}
