package secure

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"
)

// Sum is what the server knows at the end of a sum.
type Sum struct {
	Session   string
	Roster    Roster
	Threshold int
	Shared    []string            // clients whose shares were passed on: masks were made with them
	Masked    map[string][]uint32 // vectors of the survivors
	Revealed  map[string]Revealed // answers of survivors, at least as many as the threshold
}

// Unmask gives the sum of the survivors' vectors. It errors where too few have answered, or where
// their shares do not fit together.
func (s *Sum) Unmask() ([]uint32, error) {
	var total []uint32
	for _, name := range slices.Sorted(maps.Keys(s.Masked)) {
		x := s.Masked[name]
		if total == nil {
			total = make([]uint32, len(x))
		}
		if len(x) != len(total) {
			return nil, fmt.Errorf("secure: %s sent %d numbers, others %d", name, len(x), len(total))
		}
		for i, v := range x {
			total[i] += v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Masked)) {
		secret, err := s.recover(name, func(r Revealed) []byte { return r.Own[name] })
		if err != nil {
			return nil, fmt.Errorf("secure: the mask of %s: %w", name, err)
		}
		add(total, derive(bytesOf(secret), s.Session, "own mask"), true)
	}
	for _, name := range s.Shared {
		if s.Masked[name] != nil {
			continue
		}
		if err := s.clear(total, name); err != nil {
			return nil, err
		}
	}
	return total, nil
}

// clear takes off the masks that the survivors made with a client that dropped out.
func (s *Sum) clear(total []uint32, gone string) error {
	secret, err := s.recover(gone, func(r Revealed) []byte { return r.Mask[gone] })
	if err != nil {
		return fmt.Errorf("secure: the key of %s, who dropped out: %w", gone, err)
	}
	key, err := keyOf(secret, s.Session, "mask key")
	if err != nil {
		return err
	}
	if string(key.PublicKey().Bytes()) != string(s.Roster[gone].Mask) {
		return fmt.Errorf("secure: the shares of the key of %s do not fit together", gone)
	}
	for name := range s.Masked {
		shared, err := agree(key, s.Roster[name].Mask)
		if err != nil {
			return err
		}
		add(total, derive(shared, s.Session, "pair mask"), gone > name) // name added it where gone is the later one
	}
	return nil
}

// recover puts a secret together out of the answers.
func (s *Sum) recover(of string, share func(Revealed) []byte) (group.Scalar, error) {
	var shares []secretsharing.Share
	for i, name := range s.Roster.names() {
		b := share(s.Revealed[name])
		if b == nil || len(shares) == s.Threshold {
			continue
		}
		v := field.NewScalar()
		if err := v.UnmarshalBinary(b); err != nil {
			return nil, fmt.Errorf("the share of %s: %w", name, err)
		}
		shares = append(shares, secretsharing.Share{ID: field.NewScalar().SetUint64(uint64(i + 1)), Value: v})
	}
	if len(shares) < s.Threshold {
		return nil, fmt.Errorf("%d shares came, %d are needed", len(shares), s.Threshold)
	}
	return secretsharing.Recover(uint(s.Threshold-1), shares)
}
