package hubtest

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Parts makes the hub ask for large files in parts of so many bytes.
func (s *Server) Parts(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = bytes
}

// File is a file of a repository, nil if there is none.
func (s *Server) File(repo, file string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.repos[repo][file]
}

// write answers what changes a repository, as the hub does: only who has a token may.
func (s *Server) write(w http.ResponseWriter, r *http.Request, path string) {
	if r.Header.Get("Authorization") == "" && !strings.HasPrefix(path, "complete/") {
		refuse(w, http.StatusUnauthorized, "")
		return
	}
	repo, rest, _ := strings.Cut(strings.TrimPrefix(path, "api/"), "/preupload/")
	switch {
	case path == "api/repos/create":
		var asked struct{ Type, Organization, Name string }
		json.NewDecoder(r.Body).Decode(&asked)
		repo := asked.Type + "s/" + asked.Organization + "/" + asked.Name
		if s.repos[repo] != nil {
			refuse(w, http.StatusConflict, "")
			return
		}
		s.repos[repo] = map[string][]byte{".gitattributes": []byte("*.onnx filter=lfs")}
		json.NewEncoder(w).Encode(map[string]string{"url": s.URL + "/" + asked.Organization + "/" + asked.Name})
	case strings.HasSuffix(path, ".git/info/lfs/objects/batch"):
		s.batch(w, r)
	case strings.HasPrefix(path, "complete/"):
		s.complete(w, r, strings.TrimPrefix(path, "complete/"))
	case strings.HasPrefix(path, "verify/"):
		if s.objects[strings.TrimPrefix(path, "verify/")] == nil {
			w.WriteHeader(http.StatusNotFound)
		}
	case rest != "":
		s.preupload(w, r, repo, rest)
	case strings.Contains(path, "/commit/"):
		repo, revision, _ := strings.Cut(strings.TrimPrefix(path, "api/"), "/commit/")
		s.commitTo(w, r, repo, revision)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *Server) preupload(w http.ResponseWriter, r *http.Request, repo, revision string) {
	if s.repos[repo] == nil || revision != "main" {
		refuse(w, http.StatusNotFound, "RevisionNotFound")
		return
	}
	var asked struct {
		Files []struct {
			Path   string
			Size   int
			Sample []byte
		}
	}
	json.NewDecoder(r.Body).Decode(&asked)
	out := []map[string]any{}
	for _, f := range asked.Files {
		mode := "regular"
		if f.Size >= Large {
			mode = "lfs"
		}
		a := map[string]any{"path": f.Path, "uploadMode": mode, "shouldIgnore": false}
		if have, ok := s.repos[repo][f.Path]; ok {
			a["oid"] = Etag(have)
		}
		out = append(out, a)
	}
	json.NewEncoder(w).Encode(map[string]any{"files": out})
}

func (s *Server) batch(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Objects []struct {
			OID  string
			Size int
		}
	}
	json.NewDecoder(r.Body).Decode(&asked)
	out := []map[string]any{}
	for _, o := range asked.Objects {
		a := map[string]any{"oid": o.OID, "size": o.Size}
		if s.objects[o.OID] == nil {
			upload := map[string]any{"href": s.store.URL + "/objects/" + o.OID}
			if s.parts > 0 {
				header := map[string]string{"chunk_size": fmt.Sprint(s.parts)}
				for n := 0; n*s.parts < o.Size; n++ {
					header[fmt.Sprintf("%05d", n+1)] = fmt.Sprintf("%s/parts/%s/%d", s.store.URL, o.OID, n+1)
				}
				upload = map[string]any{"href": s.URL + "/complete/" + o.OID, "header": header}
			}
			a["actions"] = map[string]any{"upload": upload, "verify": map[string]any{"href": s.URL + "/verify/" + o.OID}}
		}
		out = append(out, a)
	}
	json.NewEncoder(w).Encode(map[string]any{"transfer": "basic", "objects": out})
}

// take is the store's answer to a file, or a part of one, that is sent.
func (s *Server) take(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil || int64(len(b)) != r.ContentLength {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if oid, ok := strings.CutPrefix(r.URL.Path, "/objects/"); ok {
		s.keep(w, oid, b)
		return
	}
	s.pieces[r.URL.Path] = b
	w.Header().Set("ETag", Etag(b))
}

// complete joins the parts of a file.
func (s *Server) complete(w http.ResponseWriter, r *http.Request, oid string) {
	var asked struct {
		OID   string
		Parts []struct {
			PartNumber int
			Etag       string
		}
	}
	json.NewDecoder(r.Body).Decode(&asked)
	var all []byte
	for _, p := range asked.Parts {
		piece := s.pieces[fmt.Sprintf("/parts/%s/%d", oid, p.PartNumber)]
		if piece == nil || Etag(piece) != p.Etag {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		all = append(all, piece...)
	}
	s.keep(w, oid, all)
}

func (s *Server) keep(w http.ResponseWriter, oid string, b []byte) {
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != oid {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.objects[oid] = b
}

// commitTo takes a commit: it is made as a whole or not at all.
func (s *Server) commitTo(w http.ResponseWriter, r *http.Request, repo, revision string) {
	if s.repos[repo] == nil || revision != "main" || r.Header.Get("Content-Type") != "application/x-ndjson" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	files := map[string][]byte{}
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<24)
	for n := 0; lines.Scan(); n++ {
		var line struct {
			Key   string
			Value struct {
				Path, Content, Encoding, Algo, OID, Summary string
				Size                                        int
			}
		}
		err := json.Unmarshal(lines.Bytes(), &line)
		v := line.Value
		var content []byte
		switch {
		case err == nil && n == 0 && line.Key == "header" && v.Summary != "":
			continue
		case err == nil && line.Key == "file" && v.Encoding == "base64":
			content, err = base64.StdEncoding.DecodeString(v.Content)
		case err == nil && line.Key == "lfsFile" && v.Algo == "sha256" && len(s.objects[v.OID]) == v.Size && v.Size > 0:
			content = s.objects[v.OID]
		default:
			err = fmt.Errorf("line %d of a commit", n+1)
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
			return
		}
		files[v.Path] = bytes.Clone(content)
	}
	for name, b := range files {
		s.repos[repo][name] = b
	}
	json.NewEncoder(w).Encode(map[string]string{"commitOid": s.commit(repo), "commitUrl": s.URL})
}
