package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"
)

// lfsKind is the media type of the API of Git LFS. Source: docs/api/batch.md of git-lfs, and the
// multipart transfer of huggingface_hub's lfs.py.
const lfsKind = "application/vnd.git-lfs+json"

// action is where something is to be sent.
type action struct {
	Address string            `json:"href"`
	Header  map[string]string `json:"header"`
}

// uploadLarge sends large files to the hub's store, except those that it has.
func (p *push) uploadLarge(ctx context.Context, files []*pushFile) error {
	type object struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	}
	asked := struct {
		Operation string            `json:"operation"`
		Transfers []string          `json:"transfers"`
		HashAlgo  string            `json:"hash_algo"`
		Ref       map[string]string `json:"ref"`
		Objects   []object          `json:"objects"`
	}{"upload", []string{"basic", "multipart"}, "sha256", map[string]string{"name": p.name.Revision}, nil}
	for _, f := range files {
		asked.Objects = append(asked.Objects, object{f.sha256, f.size})
	}
	var answer struct {
		Objects []struct {
			object
			Error *struct {
				Message string `json:"message"`
			} `json:"error"`
			Actions struct {
				Upload *action `json:"upload"`
				Verify *action `json:"verify"`
			} `json:"actions"`
		} `json:"objects"`
	}
	if err := p.callAs(ctx, p.Endpoint+"/"+p.name.Repo+".git/info/lfs/objects/batch", lfsKind, asked, &answer); err != nil {
		return err
	}
	told := map[string]bool{}
	for _, o := range answer.Objects {
		i := slices.IndexFunc(files, func(f *pushFile) bool { return f.sha256 == o.OID })
		if i < 0 {
			continue
		}
		f := files[i]
		told[f.sha256], p.at = true, f.name
		if o.Error != nil {
			return fmt.Errorf("the hub does not take it: %s", o.Error.Message)
		}
		if o.Actions.Upload == nil { // it has it
			continue
		}
		if err := p.upload(ctx, f, o.Actions.Upload); err != nil {
			return err
		}
		if v := o.Actions.Verify; v != nil {
			if err := p.callAs(ctx, v.Address, lfsKind, object{f.sha256, f.size}, nil); err != nil {
				return fmt.Errorf("the hub has not found what was sent: %w", err)
			}
		}
		p.out.Bytes += f.size
	}
	for _, f := range files {
		if !told[f.sha256] {
			return fmt.Errorf("the hub does not say where %s is to go", f.name)
		}
	}
	p.at = ""
	return nil
}

// sentPart is a piece of a file that was sent in several.
type sentPart struct {
	Number int    `json:"partNumber"`
	Etag   string `json:"etag"`
}

// upload sends a file, in parts where the hub gives addresses for these: keys of the header that are
// numbers.
func (p *push) upload(ctx context.Context, f *pushFile, to *action) error {
	chunk, ok := to.Header["chunk_size"]
	if !ok {
		_, err := p.put(ctx, f, to.Address, 0, f.size)
		return err
	}
	size, err := strconv.ParseInt(chunk, 10, 64)
	if err != nil || size <= 0 {
		return fmt.Errorf("the hub asks for parts of %q bytes", chunk)
	}
	addresses := map[int]string{}
	for key, address := range to.Header {
		if n, err := strconv.Atoi(key); err == nil {
			addresses[n] = address
		}
	}
	numbers := slices.Sorted(maps.Keys(addresses))
	if want := (f.size + size - 1) / size; int64(len(numbers)) != want {
		return fmt.Errorf("the hub gives %d addresses for %d parts", len(numbers), want)
	}
	done := struct {
		OID   string     `json:"oid"`
		Parts []sentPart `json:"parts"`
	}{OID: f.sha256}
	for i, n := range numbers {
		from := int64(i) * size
		etag, err := p.put(ctx, f, addresses[n], from, min(size, f.size-from))
		if err == nil && etag == "" {
			err = errors.New("the hub's store gives no etag for a part")
		}
		if err != nil {
			return err
		}
		done.Parts = append(done.Parts, sentPart{i + 1, etag})
	}
	return p.persist(ctx, mostTries, func() (bool, error) { return false, p.callAs(ctx, to.Address, lfsKind, done, nil) })
}

// put sends bytes of a file to an address, which holds all that allows it: the token stays here. It
// returns the etag that comes back.
func (p *push) put(ctx context.Context, f *pushFile, address string, from, size int64) (etag string, err error) {
	file, err := os.Open(f.path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	err = p.persist(ctx, mostTries, func() (bool, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		quiet := time.AfterFunc(quietWithin, func() { cancel(&transient{err: fmt.Errorf("nothing could be sent for %v", quietWithin)}) })
		defer quiet.Stop()
		sent := from
		body := &counted{io.NewSectionReader(file, from, size), func(n int64) {
			quiet.Reset(quietWithin + answerWithin)
			if sent += n; p.Progress != nil {
				p.Progress(Progress{p.name.Short() + ":" + f.name, sent, f.size})
			}
		}}
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, address, body)
		if err != nil {
			return false, err
		}
		if req.ContentLength = size; size == 0 {
			req.Body = http.NoBody
		}
		r, err := answered(ctx, p.client, req)
		if err != nil {
			return false, err
		}
		etag = r.Header.Get("ETag")
		return true, r.Body.Close()
	})
	var s *statusError
	if errors.As(err, &s) && s.code == http.StatusForbidden { // the address is too old: ask for another
		return "", &transient{err: fmt.Errorf("the hub's store refuses the address that the hub gave: %s", s.status)}
	}
	return etag, err
}
