package cluster

import (
	"context"
	"sync"
	"time"
)

// link tells requests that their connection has ended. NATS itself lets them run into their time
// limit, since the answer might still come.
type link struct {
	mu   sync.Mutex
	ctx  context.Context
	down context.CancelFunc
}

// set says whether the connection stands.
func (l *link) set(up bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !up && l.down != nil:
		l.down()
	case up && (l.ctx == nil || l.ctx.Err() != nil):
		l.ctx, l.down = context.WithCancel(context.Background())
	}
}

// within gives a context that ends with ctx, after the limit, and with the connection.
func (l *link) within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	l.mu.Lock()
	up := l.ctx
	l.mu.Unlock()
	stop := context.AfterFunc(up, cancel)
	return ctx, func() { stop(); cancel() }
}
