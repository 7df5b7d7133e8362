package simulate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/random"
)

// carrier passes tasks to clients of this process.
type carrier struct {
	names   []string
	clients map[string]*fed.Client
	drop    func(client string, t *fed.Task) bool                  // whether the answer gets lost
	tamper  func(client string, t *fed.Task, answer []byte) []byte // for tests: what arrives; nil: the answer
	beside  chan struct{}                                          // holds one for each client that may work
	replies chan fed.Reply
	ctx     context.Context // of all clients
	cancel  context.CancelFunc
	ended   sync.WaitGroup

	mu    sync.Mutex
	blobs map[string][]byte
}

func newCarrier(ctx context.Context, beside int) *carrier {
	c := &carrier{clients: map[string]*fed.Client{}, beside: make(chan struct{}, beside), replies: make(chan fed.Reply, 64), blobs: map[string][]byte{}}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// close ends all clients and waits for them.
func (c *carrier) close() {
	c.cancel()
	c.ended.Wait()
}

func (c *carrier) Present(context.Context) ([]string, error) { return c.names, nil }

func (c *carrier) Ask(_ context.Context, client, id string, task []byte) error {
	to := c.clients[client]
	if to == nil {
		return fmt.Errorf("simulate: there is no client %s", client)
	}
	c.ended.Go(func() {
		select {
		case c.beside <- struct{}{}:
			defer func() { <-c.beside }()
		case <-c.ctx.Done():
			return
		}
		r := fed.Reply{Client: client, ID: id}
		var t fed.Task
		if err := json.Unmarshal(task, &t); err == nil && c.drop != nil && c.drop(client, &t) {
			r.Lost = "it dropped out, as the simulation has it"
		} else if body, err := to.Handle(c.ctx, task); err != nil {
			r.Lost = err.Error()
		} else {
			r.Body = body
			if c.tamper != nil {
				r.Body = c.tamper(client, &t, body)
			}
		}
		select {
		case c.replies <- r:
		case <-c.ctx.Done():
		}
	})
	return nil
}

func (c *carrier) Next(ctx context.Context) (fed.Reply, error) {
	select {
	case r := <-c.replies:
		return r, nil
	case <-ctx.Done():
		return fed.Reply{}, ctx.Err()
	}
}

func (c *carrier) Put(_ context.Context, content []byte) (string, error) {
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blobs[digest] = content
	return digest, nil
}

func (c *carrier) Get(_ context.Context, digest string) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.blobs[digest]
	if !ok {
		return nil, fmt.Errorf("simulate: nothing has the digest %.12s", digest)
	}
	return b, nil
}

func (c *carrier) Drop(_ context.Context, digest string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.blobs, digest)
	return nil
}

func (c *carrier) Dismiss(context.Context, string, string) error { return nil }

func (c *carrier) Forget(context.Context, string) error { return nil }

// dropping loses the answers to training of a share of the clients, drawn by seed for each attempt at
// a round.
func dropping(seed uint64, share float64, index map[string]int) func(client string, t *fed.Task) bool {
	k := int(math.Round(share * float64(len(index))))
	if k == 0 {
		return nil
	}
	return func(client string, t *fed.Task) bool {
		order := random.For(seed, random.Clients, t.Round, 1<<20+t.Attempt).Perm(len(index))
		return (t.Kind == fed.Train || t.Kind == fed.Describe) && slices.Contains(order[:k], index[client])
	}
}
