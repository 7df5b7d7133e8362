package fed

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/report"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// StateFile is the name of the file with the state of a federation, in its folder.
const StateFile = "federation.safetensors"

// state is a federation between two rounds.
type state struct {
	ID       string              `json:"id"`
	Kit      string              `json:"kit"` // digest
	Settings Settings            `json:"settings"`
	Round    int                 `json:"round"`   // the next one, from 0
	Version  int                 `json:"version"` // of the weights that clients know
	Members  map[string]*member  `json:"members"`
	Steps    []step              `json:"steps"` // the last ones, of which the last leads to Version
	Full     Blob                `json:"full"`  // of Version
	Records  []report.RoundEvent `json:"records"`
	Refused  map[string]string   `json:"refused,omitempty"` // clients that could not join, and why
	Noise    float64             `json:"noise"`             // deviation, in units of the clip length
	Best     int                 `json:"best"`              // the round with the best weights by validation, from 1
	Score    task.Score          `json:"score"`             // of Best

	weights []float32            // of the server
	known   []float32            // of Version
	mask    freezing.Mask        // of the last round: what weights and known may differ in
	best    []float32            // the weights of Best
	memory  map[string][]float32 // of the optimizer and of apf, with their names in front
}

// step is a Step with what became of it.
type step struct {
	To int `json:"to"` // the version that it leads to
	Step
}

// member is a client that has joined.
type member struct {
	Examples int    `json:"examples"`
	From     int    `json:"from"` // the first unit that it trains
	Why      string `json:"why,omitempty"`
	Held     int    `json:"held"`    // the version that it had when it last answered
	Counted  int    `json:"counted"` // the last round in which it counted, -1 for none
	Base     int64  `json:"base"`    // bytes of the model that it was sent
	Rounds   int    `json:"rounds"`  // in which it counted
}

// save writes the state, whole or not at all.
func (s *state) save(path string) error {
	f := safetensors.File{Tensors: map[string]*tensor.Tensor{"weights": tensor.Of(s.weights), "known": tensor.Of(s.known)}}
	if s.mask != nil {
		t := tensor.New(tensor.Float32, len(s.mask))
		for i, on := range s.mask {
			if on {
				t.F32()[i] = 1
			}
		}
		f.Tensors["mask"] = t
	}
	if s.best != nil {
		f.Tensors["best"] = tensor.Of(s.best)
	}
	for name, x := range s.memory {
		f.Tensors["memory/"+name] = tensor.Of(x)
	}
	head, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f.Metadata = map[string]string{"permafrost": string(head), "crc32": fmt.Sprint(checksum(f.Tensors, head))}
	return atomicfile.Write(path, func(w io.Writer) error { return safetensors.Write(w, f) })
}

func checksum(tensors map[string]*tensor.Tensor, head []byte) uint32 {
	sum := crc32.ChecksumIEEE(head)
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		sum = crc32.Update(sum, crc32.IEEETable, tensors[name].Bytes)
	}
	return sum
}

// IDIn gives the ID of the federation in a folder; "" where it holds none.
func IDIn(dir *run.RunDir) (string, error) {
	s, err := loadState(dir.File(StateFile))
	if s == nil || err != nil {
		return "", err
	}
	return s.ID, nil
}

// loadState reads a state. It gives nil where there is none, and errors where it is damaged.
func loadState(path string) (*state, error) {
	f, err := safetensors.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	head := []byte(f.Metadata["permafrost"])
	if fmt.Sprint(checksum(f.Tensors, head)) != f.Metadata["crc32"] {
		return nil, fmt.Errorf("%s is damaged: its checksum does not fit", path)
	}
	s := &state{memory: map[string][]float32{}}
	if err := json.Unmarshal(head, s); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for name, t := range f.Tensors {
		switch rest, ok := strings.CutPrefix(name, "memory/"); {
		case ok:
			s.memory[rest] = t.F32()
		case name == "weights":
			s.weights = t.F32()
		case name == "best":
			s.best = t.F32()
		case name == "known":
			s.known = t.F32()
		case name == "mask":
			s.mask = make(freezing.Mask, t.Len())
			for i, v := range t.F32() {
				s.mask[i] = v == 1
			}
		}
	}
	if len(s.weights) == 0 || len(s.known) != len(s.weights) {
		return nil, fmt.Errorf("%s holds no weights", path)
	}
	return s, nil
}
