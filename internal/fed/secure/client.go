package secure

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"
)

// Keys are the public keys of a client for one sum.
type Keys struct {
	Seal []byte `json:"seal"` // shares for the client are sealed for it
	Mask []byte `json:"mask"` // masks with the client are made from it
}

// Roster are the clients of a sum, by name.
type Roster map[string]Keys

// names are in order; the place of a client, from 1, is the number of its shares.
func (r Roster) names() []string { return slices.Sorted(maps.Keys(r)) }

// Client is one party of one sum. Its calls come once each, in the order Keys, Share, Mask, Reveal.
// It is for one goroutine.
type Client struct {
	name, session string
	rnd           io.Reader
	sealKey       *ecdh.PrivateKey
	maskSecret    group.Scalar // of which the others have shares
	maskKey       *ecdh.PrivateKey
	ownSecret     group.Scalar // of the client's own mask; the others have shares
	roster        Roster
	threshold     int
	kept          map[string]pair // shares of the others, by client
	revealed      bool
}

// pair is one client's share of another's two secrets.
type pair struct{ mask, own group.Scalar }

// NewClient begins a sum. The session names it, and is the same for all its parties and no other
// sum: the federation, the round and the attempt.
func NewClient(name, session string) (*Client, error) { return newClient(name, session, rand.Reader) }

func newClient(name, session string, rnd io.Reader) (*Client, error) {
	if name == "" || session == "" {
		return nil, errors.New("secure: a client and its sum need names")
	}
	c := &Client{name: name, session: session, rnd: rnd, maskSecret: field.RandomNonZeroScalar(rnd), ownSecret: field.RandomNonZeroScalar(rnd)}
	seed := make([]byte, keySize)
	if _, err := io.ReadFull(rnd, seed); err != nil {
		return nil, fmt.Errorf("secure: %w", err)
	}
	var err error
	if c.sealKey, err = ecdh.X25519().NewPrivateKey(seed); err != nil {
		return nil, fmt.Errorf("secure: %w", err)
	}
	c.maskKey, err = keyOf(c.maskSecret, session, "mask key")
	return c, err
}

// Keys are the client's public keys.
func (c *Client) Keys() Keys {
	return Keys{Seal: c.sealKey.PublicKey().Bytes(), Mask: c.maskKey.PublicKey().Bytes()}
}

// MinThreshold is the least number of clients that must be left at the end, of n: more than two
// thirds.
func MinThreshold(n int) int { return 2*n/3 + 1 }

// Share splits the client's secrets among the roster, and gives the sealed shares for each other
// client. It errors on a roster without this client or its keys, with fewer than 3 clients, or with
// a threshold that is not above two thirds of them.
func (c *Client) Share(roster Roster, threshold int) (map[string][]byte, error) {
	n := len(roster)
	switch own, ok := roster[c.name]; {
	case c.roster != nil:
		return nil, errors.New("secure: the shares are given out already")
	case !ok || string(own.Mask) != string(c.Keys().Mask) || string(own.Seal) != string(c.Keys().Seal):
		return nil, fmt.Errorf("secure: the roster does not hold %s with its keys", c.name)
	case n < 3:
		return nil, fmt.Errorf("secure: %d clients: in a sum of two each knows the other's part, so 3 are needed", n)
	case threshold < MinThreshold(n) || threshold > n:
		return nil, fmt.Errorf("secure: a threshold of %d for %d clients: give one from %d to %d", threshold, n, MinThreshold(n), n)
	}
	seen := map[string]string{}
	for _, name := range roster.names() {
		if other, twice := seen[string(roster[name].Mask)]; twice {
			return nil, fmt.Errorf("secure: %s and %s have the same key", other, name)
		}
		seen[string(roster[name].Mask)] = name
	}
	c.roster, c.threshold = roster, threshold
	mask := secretsharing.New(c.rnd, uint(threshold-1), c.maskSecret)
	own := secretsharing.New(c.rnd, uint(threshold-1), c.ownSecret)
	out := map[string][]byte{}
	c.kept = map[string]pair{}
	for i, name := range roster.names() {
		id := field.NewScalar().SetUint64(uint64(i + 1))
		p := pair{mask.ShareWithID(id).Value, own.ShareWithID(id).Value}
		if name == c.name {
			c.kept[name] = p
			continue
		}
		key, err := c.sealing(name)
		if err != nil {
			return nil, err
		}
		if out[name], err = seal(c.rnd, key, c.name, name, slices.Concat(bytesOf(p.mask), bytesOf(p.own))); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sealing is the key under which shares travel between the client and another.
func (c *Client) sealing(other string) ([]byte, error) {
	secret, err := agree(c.sealKey, c.roster[other].Seal)
	if err != nil {
		return nil, fmt.Errorf("secure: the key of %s: %w", other, err)
	}
	return derive(secret, c.session, "seal"), nil
}

// Mask hides x, which stays as it is. sealed are the shares that came from other clients, by name.
// Clients of the roster from which none came have dropped out, and no mask is made with them: all
// clients must be given shares of the same clients. It errors where fewer than the threshold are
// left, or where shares were changed.
func (c *Client) Mask(x []uint32, sealed map[string][]byte) ([]uint32, error) {
	if c.roster == nil {
		return nil, errors.New("secure: Mask before Share")
	}
	if len(sealed)+1 < c.threshold {
		return nil, fmt.Errorf("secure: %d clients are left, the threshold is %d", len(sealed)+1, c.threshold)
	}
	out := slices.Clone(x)
	add(out, derive(bytesOf(c.ownSecret), c.session, "own mask"), false)
	for _, name := range slices.Sorted(maps.Keys(sealed)) {
		if _, ok := c.roster[name]; !ok || name == c.name {
			return nil, fmt.Errorf("secure: shares from %s, who is no other client of this sum", name)
		}
		key, err := c.sealing(name)
		if err != nil {
			return nil, err
		}
		b, err := open(key, name, c.name, sealed[name])
		if err != nil {
			return nil, err
		}
		p, err := parsePair(b)
		if err != nil {
			return nil, fmt.Errorf("secure: shares from %s: %w", name, err)
		}
		c.kept[name] = p
		shared, err := agree(c.maskKey, c.roster[name].Mask)
		if err != nil {
			return nil, fmt.Errorf("secure: the key of %s: %w", name, err)
		}
		add(out, derive(shared, c.session, "pair mask"), name < c.name)
	}
	return out, nil
}

func parsePair(b []byte) (p pair, err error) {
	if len(b)%2 != 0 {
		return p, fmt.Errorf("%d bytes", len(b))
	}
	p = pair{field.NewScalar(), field.NewScalar()}
	if err := p.mask.UnmarshalBinary(b[:len(b)/2]); err != nil {
		return p, err
	}
	return p, p.own.UnmarshalBinary(b[len(b)/2:])
}

// Revealed are one client's shares of what is needed to unmask the sum: of a survivor its own mask,
// of another its key. It never holds both of one client.
type Revealed struct {
	Own  map[string][]byte `json:"own"`
	Mask map[string][]byte `json:"mask"`
}

// Reveal gives the client's shares. It answers once: a second list of survivors could lay a client
// bare. It errors on fewer survivors than the threshold.
func (c *Client) Reveal(survivors []string) (Revealed, error) {
	r := Revealed{Own: map[string][]byte{}, Mask: map[string][]byte{}}
	known := 0
	for _, name := range survivors {
		if _, ok := c.kept[name]; ok {
			known++
		}
	}
	sorted := slices.Clone(survivors)
	slices.Sort(sorted)
	switch {
	case c.revealed:
		return r, errors.New("secure: the shares were revealed already")
	case len(slices.Compact(sorted)) != len(survivors) || known != len(survivors):
		return r, errors.New("secure: the survivors are not clients of this sum, each once")
	case known < c.threshold:
		return r, fmt.Errorf("secure: %d clients are left, the threshold is %d", known, c.threshold)
	}
	c.revealed = true
	for name, p := range c.kept {
		if slices.Contains(survivors, name) {
			r.Own[name] = bytesOf(p.own)
		} else {
			r.Mask[name] = bytesOf(p.mask)
		}
	}
	return r, nil
}
