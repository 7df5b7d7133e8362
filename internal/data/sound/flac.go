package sound

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mewkiz/flac"
)

// decodeFLAC reads a FLAC stream frame by frame.
func decodeFLAC(r io.Reader, limit time.Duration) (m *mixer, err error) {
	// The decoder trusts widths and orders that a damaged frame may hold, and uses them as indices.
	// A panic there must cost one file, not the run. The decoder's own checks come after the
	// samples.
	defer func() {
		if p := recover(); p != nil {
			m, err = nil, fmt.Errorf("FLAC: damaged: %v", p)
		}
	}()
	s, err := flac.New(r)
	if err != nil {
		return nil, fmt.Errorf("FLAC: %w", early(err))
	}
	info := s.Info
	if m, err = newMixer(int(info.SampleRate), int(info.NChannels), limit); err == nil {
		err = m.expect(info.NSamples)
	}
	if err != nil {
		return nil, fmt.Errorf("FLAC: %w", err)
	}
	for {
		f, err := s.ParseNext()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("FLAC: %w", early(err))
		}
		if len(f.Subframes) != m.channels {
			return nil, fmt.Errorf("FLAC: a frame of %d channels in a sound of %d", len(f.Subframes), m.channels)
		}
		scale := 1 / float64(uint64(1)<<(info.BitsPerSample-1))
		for i := range int(f.BlockSize) {
			for _, sub := range f.Subframes {
				if err := m.add(float64(sub.Samples[i]) * scale); err != nil {
					return nil, fmt.Errorf("FLAC: %w", err)
				}
			}
		}
	}
	if n := uint64(len(m.clip.Samples)); n < info.NSamples {
		return nil, fmt.Errorf("FLAC: cut off after %d of %d samples", n, info.NSamples)
	}
	return m, nil
}

// early returns the error for data that end too early.
func early(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("cut off")
	}
	return err
}
