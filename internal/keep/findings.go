package keep

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/cache"
)

// Findings are small answers about a model that take long to find, kept for later runs under
// everything that they depend on. A nil Findings knows nothing and keeps nothing. It is safe for
// concurrent use.
type Findings struct{ space *cache.Space }

// FindingsOf returns what earlier runs found about the model of a digest, nil where runs share no
// cache. Name is the model's, for people.
func FindingsOf(shared *cache.Cache, digest, name string) *Findings {
	if shared == nil {
		return nil
	}
	return &Findings{shared.Space(sha256.Sum256(fmt.Appendf(nil, "findings/1 %s %s", Engine(), digest)), cache.About{Kind: "findings", Model: name})}
}

// Get puts the answer to a question into found, and reports whether it is known. About is all that
// the answer depends on beside the model and the program, in a form that JSON takes.
func (f *Findings) Get(question string, about, found any) bool {
	if f == nil {
		return false
	}
	key, err := findingKey(question, about)
	if err != nil {
		return false
	}
	b, ok := f.space.Read(key)
	return ok && json.Unmarshal(b, found) == nil
}

// Put keeps an answer for later runs, see Get. It keeps nothing that JSON does not take.
func (f *Findings) Put(question string, about, found any) {
	if f == nil {
		return
	}
	key, err := findingKey(question, about)
	if err != nil {
		return
	}
	if b, err := json.Marshal(found); err == nil {
		f.space.Put(key, b)
	}
}

func findingKey(question string, about any) (cache.Digest, error) {
	b, err := json.Marshal(about)
	return sha256.Sum256(fmt.Appendf(nil, "%q %s", question, b)), err
}
