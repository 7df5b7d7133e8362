package cluster

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
)

// Jobs, claims and results bear a seal: an HMAC (RFC 2104) of the message and its subject. Without
// a key it shows damage. With Options.Users the key comes from the password of the group's user, and
// the seal also shows who wrote the message: the coordinator, or a worker of this group.
//
// Rights alone do not. Whoever may ask the server for a message may name any subject for the answer,
// and the server does not ask whether the user may write there. So a user could write a message of
// its own, and have the server send it to the subject of another group's result.

// errSeal says that a message is not what its writer wrote for its subject.
var errSeal = errors.New("damaged or forged: the message does not match its seal")

func sealOf(key []byte, subject string, header nats.Header, body []byte) string {
	h := hmac.New(sha256.New, key)
	for _, s := range []string{subject, header.Get(versionHeader), header.Get(resultHeader)} {
		fmt.Fprintf(h, "%d:%s,", len(s), s)
	}
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// seal seals a message of a group.
func (c *Cluster) seal(group string, m *nats.Msg) {
	m.Header.Set(sealHeader, sealOf(c.key(group), m.Subject, m.Header, m.Data))
}

// checkSeal errors where a message of a group does not match its seal.
func (c *Cluster) checkSeal(group, subject string, header nats.Header, body []byte) error {
	if want := sealOf(c.key(group), subject, header, body); !hmac.Equal([]byte(want), []byte(header.Get(sealHeader))) {
		return errSeal
	}
	return nil
}

// key is the key of a group's seals, nil where they have none.
func (c *Cluster) key(group string) []byte {
	if c.server != nil {
		for _, u := range c.opt.Users {
			if u.Group == group {
				return sealKey(u)
			}
		}
		return nil
	}
	if sealed, _ := c.sealed.Load(group); sealed != true {
		return nil
	}
	name, password := c.opt.own()
	return sealKey(User{name, password, group})
}

// sealKey derives the key of a group from its user (HKDF, RFC 5869).
func sealKey(u User) []byte {
	key, err := hkdf.Key(sha256.New, []byte(u.Password), nil, "permafrost seal "+u.Group+" "+u.Name, sha256.Size)
	if err != nil {
		panic(err) // the length is not one that HKDF gives
	}
	return key
}

// own is the user and the password of this side, beside the URL or in it.
func (o Options) own() (name, password string) {
	if o.User != "" || o.Password != "" {
		return o.User, o.Password
	}
	first, _, _ := strings.Cut(o.URL, ",")
	if u, err := url.Parse(strings.TrimSpace(first)); err == nil && u.User != nil {
		name = u.User.Username()
		password, _ = u.User.Password()
	}
	return name, password
}
