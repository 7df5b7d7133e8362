package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A connection without an answer to two pings is dead: after 20 to 30 seconds.
const (
	pingEvery = 10 * time.Second
	pingsOut  = 2
)

// connect joins the server, and makes sure that the streams are there.
func (c *Cluster) connect(ctx context.Context) error {
	opts := c.natsOptions()
	address := c.opt.URL
	if c.server != nil {
		address = ""
		opts = append(opts, c.server.options()...)
	}
	began, said := time.Now(), false
	for {
		conn, err := nats.Connect(address, opts...)
		if err == nil {
			c.conn = conn
			c.link.set(true)
			break
		}
		if !absent(err) {
			return fmt.Errorf("cluster: %s: refused: %w", c.where(), explain(err))
		}
		if time.Since(began) >= c.opt.Wait {
			return fmt.Errorf("cluster: %s: no server answered in %s (%w): start one, or mend the address", c.where(), c.opt.Wait, err)
		}
		if !said {
			said = true
			c.teller.say(Event{Kind: Disconnected, Text: fmt.Sprintf("%s does not answer yet (%v): waiting for it, %s at most", c.where(), err, c.opt.Wait)})
		}
		select {
		case <-time.After(min(500*time.Millisecond, c.opt.Wait)):
		case <-ctx.Done():
			return fmt.Errorf("cluster: %s: no server answered (%w): %w", c.where(), err, ctx.Err())
		}
	}
	js, err := jetstream.New(c.conn, jetstream.WithPublishAsyncMaxPending(1000), jetstream.WithDefaultTimeout(brief))
	if err != nil {
		return fmt.Errorf("cluster: %s: %w", c.where(), err)
	}
	c.js = js
	return c.try(ctx, "asking for JetStream", brief, func(ctx context.Context) error {
		_, err := js.AccountInfo(ctx)
		return err
	})
}

func (c *Cluster) natsOptions() []nats.Option {
	opts := []nats.Option{
		nats.Name("permafrost " + c.opt.Version),
		nats.Timeout(5 * time.Second),
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(pingsOut),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(200 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, 200*time.Millisecond),
		// What cannot be sent fails, and is sent again by who knows whether it still matters.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			c.link.set(false)
			if err != nil {
				c.teller.say(Event{Kind: Disconnected, Text: fmt.Sprintf("%s is away: %v", c.where(), err)})
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			c.reconnects.Add(1)
			c.link.set(true)
			c.teller.say(Event{Kind: Reconnected, Text: c.where() + " is back"})
		}),
		nats.ClosedHandler(func(conn *nats.Conn) {
			c.link.set(false)
			if err := conn.LastError(); refused(err) {
				reason := fmt.Errorf("cluster: %s: the connection ended: %w", c.where(), explain(err))
				c.closeReason.Store(&reason)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			kind := Warned
			if errors.Is(err, nats.ErrPermissionViolation) {
				c.denied.Store(&err)
				kind = Denied
			}
			c.teller.say(Event{Kind: kind, Text: fmt.Sprintf("%s: %v", c.where(), err)})
		}),
	}
	if c.opt.Group != "" {
		opts = append(opts, nats.CustomInboxPrefix("_INBOX_"+c.opt.Group))
	}
	if c.server != nil {
		return opts
	}
	if c.opt.Credentials != "" {
		opts = append(opts, nats.UserCredentials(c.opt.Credentials))
	}
	if c.opt.User != "" || c.opt.Password != "" {
		opts = append(opts, nats.UserInfo(c.opt.User, c.opt.Password))
	}
	if c.opt.CA != "" {
		opts = append(opts, nats.RootCAs(c.opt.CA))
	}
	if c.opt.Cert != "" {
		opts = append(opts, nats.ClientCert(c.opt.Cert, c.opt.Key))
	}
	return opts
}

// redact takes the secrets out of an address.
func redact(address string) string {
	parts := strings.Split(address, ",")
	for i, p := range parts {
		u, err := url.Parse(strings.TrimSpace(p))
		if err != nil {
			_, p, _ = strings.Cut(p, "@")
			parts[i] = p
			continue
		}
		if u.User != nil {
			u.User = nil
		}
		parts[i] = u.String()
	}
	return strings.Join(parts, ",")
}

// absent reports whether err says that no server is there, which may change.
func absent(err error) bool {
	var network net.Error
	var op *net.OpError
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound || strings.Contains(err.Error(), "tls:") || strings.Contains(err.Error(), "x509:") {
		return false
	}
	return errors.Is(err, nats.ErrNoServers) || errors.As(err, &network) || errors.As(err, &op) ||
		errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrStaleConnection) || strings.Contains(err.Error(), "EOF")
}

// refused reports whether the server does not take this user.
func refused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked) ||
		errors.Is(err, nats.ErrAccountAuthExpired)
}

// transient reports whether err may go away by itself.
func transient(err error) bool {
	for _, e := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected, nats.ErrStaleConnection,
		nats.ErrConnectionReconnecting, nats.ErrReconnectBufExceeded, nats.ErrNoServers,
		jetstream.ErrNoStreamResponse, jetstream.ErrNoHeartbeat, jetstream.ErrStreamNotFound, jetstream.ErrConsumerNotFound, jetstream.ErrConsumerDeleted,
		jetstream.ErrConsumerLeadershipChanged, jetstream.ErrServerShutdown,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	var api *jetstream.APIError
	return errors.As(err, &api) && api.Code == 503 && !full(err) && !errors.Is(err, jetstream.ErrJetStreamNotEnabled) && !errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount)
}

// full reports whether the server has no room.
func full(err error) bool {
	// The codes of JetStream for: resources of the account, resources, storage, storing failed.
	const account, resources, storage, store = 10002, 10023, 10047, 10077
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case account, resources, storage, store:
		return true
	}
	return false
}

// conflict reports whether a message was refused because its subject holds another than expected.
func conflict(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// explain adds how to mend it, where that is known.
func explain(err error) error {
	text := err.Error()
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return fmt.Errorf("%w: start the server with -js, or enable JetStream for the account", err)
	case full(err):
		return fmt.Errorf("%w: the server has no room: free some of its disk, or raise the limits of JetStream", err)
	case refused(err):
		return fmt.Errorf("%w: check the credentials, or the user and the password", err)
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: send large contents as a blob or an upload, and their digest here", err)
	case errors.Is(err, nats.ErrSecureConnRequired):
		return fmt.Errorf("%w: use a tls:// address, and the option for the CA where it is one of your own", err)
	case strings.Contains(text, "x509:"), strings.Contains(text, "tls:"):
		return fmt.Errorf("%w: check the certificates and the CA", err)
	case strings.Contains(text, "replicas > 1 not supported"), strings.Contains(text, "no suitable peers"):
		return fmt.Errorf("%w: so many replicas need as many servers in the cluster", err)
	}
	return err
}
