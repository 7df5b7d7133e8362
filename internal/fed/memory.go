package fed

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
)

// memory is what a client remembers from round to round. It has the state before the last round that
// the client worked on beside that after it: a task that comes again starts from the same state, and
// a change that did not count is taken back.
type memory struct {
	Round         int // -1 before the first
	Before, After carried
}

// carried is what goes from one round to the next.
type carried struct {
	Lost       []float32 // what compression has not carried yet, for every number of the vector
	Statistics []float32 // own running statistics, where these are not shared
}

// at gives the state from which a round starts, if the change of round counted was the last one that
// counted.
func (m *memory) at(round, counted int) carried {
	if m.Round < 0 {
		return carried{}
	}
	if m.Round >= round || m.Round > counted {
		return m.Before
	}
	return m.After
}

// store keeps memories: in files below a folder, or without one in this process.
type store struct {
	dir  string
	here map[string]memory
}

func (s *store) file(key string) string { return filepath.Join(s.dir, key+".memory") }

func (s *store) load(key string) (memory, error) {
	if s.dir == "" {
		if m, ok := s.here[key]; ok {
			return m, nil
		}
		return memory{Round: -1}, nil
	}
	b, err := os.ReadFile(s.file(key))
	if os.IsNotExist(err) {
		return memory{Round: -1}, nil
	}
	if err != nil {
		return memory{}, err
	}
	var m memory
	if len(b) < 4 || crc32.ChecksumIEEE(b[4:]) != uint32(b[0])|uint32(b[1])<<8|uint32(b[2])<<16|uint32(b[3])<<24 {
		return m, fmt.Errorf("%s is damaged: remove it to go on without what compression had not carried yet", s.file(key))
	}
	return m, gob.NewDecoder(bytes.NewReader(b[4:])).Decode(&m)
}

func (s *store) save(key string, m memory) error {
	if s.dir == "" {
		if s.here == nil {
			s.here = map[string]memory{}
		}
		s.here[key] = m
		return nil
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(m); err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	return atomicfile.Write(s.file(key), func(w io.Writer) error {
		c := crc32.ChecksumIEEE(b.Bytes())
		if _, err := w.Write([]byte{byte(c), byte(c >> 8), byte(c >> 16), byte(c >> 24)}); err != nil {
			return err
		}
		_, err := w.Write(b.Bytes())
		return err
	})
}
