package fed

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/fed/secure"
)

// Kind is what a task asks for.
type Kind string

// The kinds of tasks, in the order in which a client meets them.
const (
	Join     Kind = "join"     // open the kit, and say what you are
	Keys     Kind = "keys"     // secure: public keys for the sum of a round
	Share    Kind = "share"    // secure: shares of your secrets for the others
	Train    Kind = "train"    // train, and send what changed
	Reveal   Kind = "reveal"   // secure: shares that take the masks off the sum
	Describe Kind = "describe" // one-shot: mixtures of your features, class by class
)

// Task is what the server asks of a client.
type Task struct {
	Kind       Kind   `json:"kind"`
	Federation string `json:"federation"`
	Round      int    `json:"round"` // from 0
	Attempt    int    `json:"attempt"`
	Kit        Blob   `json:"kit,omitzero"`

	// Train: the weights that the round begins with, and what takes part.
	Version int     `json:"version,omitempty"` // the number of the weights; 0 are those of the kit
	Steps   []Step  `json:"steps,omitempty"`   // from Held to Version, one after the other; none: Full is shorter
	Held    int     `json:"held,omitempty"`    // the version that the client had when it last answered
	Full    Blob    `json:"full,omitzero"`
	Mask    Blob    `json:"mask,omitzero"` // of the numbers that take part; none: all
	LR      float64 `json:"lr,omitempty"`
	Counted int     `json:"counted"` // the last round in which this client's change counted, -1 for none
	Loss    bool    `json:"loss,omitempty"`
	Cap     int     `json:"cap,omitempty"` // secure: the number of examples that weighs 1

	// Secure sums.
	Sum    string            `json:"sum,omitempty"` // its name, which no other sum has
	Roster secure.Roster     `json:"roster,omitempty"`
	Sealed map[string][]byte `json:"sealed,omitempty"`
	Left   []string          `json:"left,omitempty"` // whose vectors came
	Terms  int               `json:"terms,omitempty"`
}

// Blob is something that was put for all clients. The zero value is nothing.
type Blob struct {
	Digest string `json:"digest"`
	Size   int    `json:"size"`
}

// Step is what changed from one version of the weights to the next.
type Step struct {
	Change Blob `json:"change"`
	Mask   Blob `json:"mask,omitzero"` // of the numbers that Change has; none: all
}

// Answer is what a client says. The bytes of what it sends follow it.
type Answer struct {
	Refused string `json:"refused,omitempty"` // why the client cannot do the task

	// Join.
	Examples int    `json:"examples,omitempty"`
	Layout   string `json:"layout,omitempty"` // digest of the vector's parts
	From     int    `json:"from,omitempty"`   // the first unit that the client can afford to train
	Why      string `json:"why,omitempty"`    // with From above 0
	Base     int64  `json:"base,omitempty"`   // bytes of the model that were fetched

	// Train.
	Before   float64 `json:"before,omitempty"` // loss of the weights that the round began with
	Loss     float64 `json:"loss,omitempty"`
	Accuracy float64 `json:"accuracy,omitempty"`
	Steps    int     `json:"steps,omitempty"`
	Seconds  float64 `json:"seconds,omitempty"`
	Down     int64   `json:"down,omitempty"` // bytes that were fetched for the task

	Keys     *secure.Keys      `json:"keys,omitempty"`
	Sealed   map[string][]byte `json:"sealed,omitempty"`
	Revealed *secure.Revealed  `json:"revealed,omitempty"`

	Payload []byte `json:"-"`
}

// pack writes an answer as one message.
func (a *Answer) pack() ([]byte, error) {
	head, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	out := binary.AppendUvarint(nil, uint64(len(head)))
	return append(append(out, head...), a.Payload...), nil
}

// unpack reads an answer. It errors on bytes that pack cannot have written.
func unpack(b []byte) (*Answer, error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, errors.New("fed: an answer without a head")
	}
	head, rest := b[size:size+int(n)], b[size+int(n):]
	d := json.NewDecoder(bytes.NewReader(head))
	d.DisallowUnknownFields()
	var a Answer
	if err := d.Decode(&a); err != nil {
		return nil, fmt.Errorf("fed: the head of an answer: %w", err)
	}
	a.Payload = rest
	return &a, nil
}

// floats and words write numbers as bytes, little endian.
func floats(x []float32) []byte {
	out, err := binary.Append(make([]byte, 0, 4*len(x)), binary.LittleEndian, x)
	if err != nil {
		panic(err)
	}
	return out
}

func words(x []uint32) []byte {
	out, err := binary.Append(make([]byte, 0, 4*len(x)), binary.LittleEndian, x)
	if err != nil {
		panic(err)
	}
	return out
}

// readFloats reads n numbers. It errors on another length.
func readFloats(b []byte, n int) ([]float32, error) { return readNumbers[float32](b, n) }

func readWords(b []byte, n int) ([]uint32, error) { return readNumbers[uint32](b, n) }

func readNumbers[T float32 | uint32](b []byte, n int) ([]T, error) {
	if len(b) != 4*n {
		return nil, fmt.Errorf("fed: %d bytes for %d numbers", len(b), n)
	}
	out := make([]T, n)
	_, err := binary.Decode(b, binary.LittleEndian, out)
	return out, err
}
