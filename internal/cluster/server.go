package cluster

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/filelock"
)

// embedded is a server in this process.
type embedded struct {
	server  *server.Server
	address address
	users   bool // each side has a user, and there is no token
	lock    *os.File
}

// address is how workers reach an embedded server. It is kept in the store, so that they find it
// again when the store is opened by another process.
type address struct {
	Listen string `json:"listen"`
	Token  string `json:"token"` // with users: the password of this process
}

const addressFile = "address.json"

// startServer starts a server on the store. Fresh says that the store was empty.
func startServer(opt Options, t *teller) (e *embedded, fresh bool, err error) {
	if err := os.MkdirAll(opt.Store, 0o700); err != nil {
		return nil, false, fmt.Errorf("cluster: %w", err)
	}
	held, err := os.OpenFile(filepath.Join(opt.Store, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("cluster: %w", err)
	}
	defer func() {
		if err != nil {
			held.Close()
		}
	}()
	if mine, err := filelock.Try(held); !mine || err != nil {
		return nil, false, fmt.Errorf("cluster: store %s is in use by another process: end that one, or give another folder", opt.Store)
	}
	addr, err := readAddress(opt)
	if err != nil {
		return nil, false, err
	}
	_, err = os.Stat(filepath.Join(opt.Store, "jetstream"))
	fresh = errors.Is(err, os.ErrNotExist)
	if err := forgetIndexes(opt.Store); err != nil {
		return nil, false, err
	}
	s, err := runServer(opt, addr, t)
	if err != nil {
		return nil, false, err
	}
	e = &embedded{server: s, address: addr, users: len(opt.Users) > 0, lock: held}
	if opt.Listen != "" {
		e.address.Listen = s.Addr().String()
	}
	if err := e.address.write(opt.Store); err != nil {
		e.stop()
		return nil, false, err
	}
	return e, fresh, nil
}

// readAddress gives the address that the store had, where it can be had again.
func readAddress(opt Options) (address, error) {
	var a address
	b, err := os.ReadFile(filepath.Join(opt.Store, addressFile))
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil || a.Token == "" {
		a = address{Token: rand.Text()}
	}
	if opt.Listen == "" {
		return a, nil
	}
	host, port, err := net.SplitHostPort(opt.Listen)
	if err != nil {
		return a, fmt.Errorf("cluster: address %q to listen at: %w", opt.Listen, err)
	}
	if oldHost, _, err := net.SplitHostPort(a.Listen); err == nil && port == "0" && oldHost == host && canListen(a.Listen) {
		return a, nil
	}
	a.Listen = opt.Listen
	return a, nil
}

// canListen reports whether nobody listens at addr. The server itself only writes a log line where
// it cannot listen.
func canListen(addr string) bool { return tryListen(addr) == nil }

func tryListen(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

func (a address) write(store string) error {
	err := atomicfile.Write(filepath.Join(store, addressFile), func(w io.Writer) error {
		return json.NewEncoder(w).Encode(a)
	})
	if err == nil {
		err = os.Chmod(filepath.Join(store, addressFile), 0o600) // it holds the token
	}
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return nil
}

// freeEvery is how often the server gives the room of what was deleted back to the disk, unless it
// flushes more often.
const freeEvery = 10 * time.Second

// runServer starts a server and waits until it answers.
func runServer(opt Options, addr address, t *teller) (*server.Server, error) {
	o := &server.Options{
		ServerName:   "permafrost",
		DontListen:   opt.Listen == "",
		JetStream:    true,
		StoreDir:     opt.Store,
		SyncAlways:   opt.Flush == 0,
		SyncInterval: cmp.Or(opt.Flush, freeEvery),
		NoSigs:       true,
		NoLog:        true,
		PingInterval: pingEvery,
		MaxPingsOut:  pingsOut,
	}
	if len(opt.Users) > 0 {
		var err error
		if o.Users, err = serverUsers(opt.Users, addr.Token); err != nil {
			return nil, err
		}
	} else {
		o.Authorization = addr.Token
	}
	if opt.Listen != "" {
		host, port, err := net.SplitHostPort(addr.Listen)
		if err == nil {
			err = tryListen(addr.Listen)
		}
		if err == nil {
			o.Host = host
			o.Port, err = strconv.Atoi(port)
		}
		if err != nil {
			return nil, fmt.Errorf("cluster: address %q to listen at: %w", addr.Listen, err)
		}
		if o.Port == 0 {
			o.Port = server.RANDOM_PORT
		}
		if opt.Cert != "" {
			o.TLSTimeout = 5
			o.TLSConfig, err = server.GenTLSConfig(&server.TLSConfigOpts{CertFile: opt.Cert, KeyFile: opt.Key, CaFile: opt.CA, Verify: opt.CA != ""})
			if err != nil {
				return nil, fmt.Errorf("cluster: certificate %s: %w", opt.Cert, err)
			}
		}
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("cluster: embedded server: %w", err)
	}
	log := &serverLog{teller: t}
	s.SetLogger(log, false, false)
	s.Start()
	if !s.ReadyForConnections(20*time.Second) || !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("cluster: embedded server on %s did not start: %s", opt.Store, log.last())
	}
	return s, nil
}

// connect joins the server from inside the process.
func (e *embedded) options() []nats.Option {
	own := nats.Token(e.address.Token)
	if e.users {
		own = nats.UserInfo(ownUser, e.address.Token)
	}
	return []nats.Option{nats.InProcessServer(e.server), own}
}

// url is what workers of other processes connect to, as somebody who may. It is empty where the
// server does not listen.
func (e *embedded) url(secure bool, who *url.Userinfo) string {
	if e.address.Listen == "" || e.server.Addr() == nil {
		return ""
	}
	u := url.URL{Scheme: "nats", User: who, Host: e.address.Listen}
	if secure {
		u.Scheme = "tls"
	}
	return u.String()
}

func (e *embedded) stop() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	e.lock.Close()
}
