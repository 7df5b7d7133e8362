package dash

import (
	"io/fs"
	"slices"
	"sync"
	"time"

	runpage "github.com/permafrost-ml/permafrost/internal/run/page"

	"github.com/permafrost-ml/permafrost/internal/run"
)

// pages keep the runs that were read last, until their folders change.
type pages struct {
	folder *folder
	mu     sync.Mutex
	kept   []*read // the latest last
}

// read is a run as it was read. It is not changed.
type read struct {
	*runpage.Run
	name  string
	stamp [2]stamp // of its events and of its report
}

type stamp struct {
	size int64
	at   time.Time
}

// readsMost is how many runs are kept.
const readsMost = 24

func stampOf(p *place, name string) stamp {
	st, err := fs.Stat(p.FS, name)
	if err != nil {
		return stamp{}
	}
	return stamp{st.Size(), st.ModTime()}
}

// of reads the run in a place, or finds it as it was read.
func (c *pages) of(p *place) (*read, error) {
	now := [2]stamp{stampOf(p, run.EventsFile), stampOf(p, run.FactsFile)}
	c.mu.Lock()
	for _, r := range c.kept {
		if r.name == p.name && r.stamp == now {
			c.mu.Unlock()
			return r, nil
		}
	}
	c.mu.Unlock()
	found, err := runpage.ReadFS(p.FS, p.out)
	if err != nil {
		return nil, err
	}
	r := &read{found, p.name, now}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = slices.DeleteFunc(c.kept, func(o *read) bool { return o.name == p.name })
	if len(c.kept) == readsMost {
		c.kept = slices.Delete(c.kept, 0, 1)
	}
	c.kept = append(c.kept, r)
	return r, nil
}
