package cluster

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"
)

// User is somebody who may join an embedded server, as a worker of a group that is its own: with the
// rights of WorkerRights and no others. It connects with Options.Group set to its group. Several of its
// workers may be connected. What its workers and the coordinator say to each other is sealed with its
// password, so that nobody else can forge it.
type User struct {
	Name     string // of letters, digits, - and _
	Password string // up to 72 bytes
	Group    string
}

// ownUser is the user of the process that holds the server, which may do everything. No other user
// can have a name with a slash.
const ownUser = "permafrost/coordinator"

func checkUsers(users []User) error {
	seen := map[string]bool{}
	for _, u := range users {
		if err := CheckName("user", u.Name); err != nil {
			return err
		}
		if err := CheckName("group", u.Group); err != nil {
			return fmt.Errorf("cluster: user %s: %w", u.Name, err)
		}
		if u.Password == "" {
			return fmt.Errorf("cluster: user %s has no password", u.Name)
		}
		if seen["user "+u.Name] {
			return fmt.Errorf("cluster: there are two users %s", u.Name)
		}
		if seen["group "+u.Group] {
			return fmt.Errorf("cluster: user %s has the group %s of another user: give each a group of its own", u.Name, u.Group)
		}
		seen["user "+u.Name], seen["group "+u.Group] = true, true
	}
	return nil
}

// serverUsers gives the server its users: those that join, and the process itself. Passwords are
// hashed, so that the server holds no text that could be told; the hash is a quick one, because it
// never leaves memory.
func serverUsers(users []User, own string) ([]*server.User, error) {
	all := []*server.User{{Username: ownUser, Password: own}}
	for _, u := range users {
		all = append(all, &server.User{Username: u.Name, Password: u.Password, Permissions: WorkerRights(u.Group).permissions()})
	}
	for _, u := range all {
		hash, err := bcrypt.GenerateFromPassword([]byte(u.Password), bcrypt.MinCost)
		if errors.Is(err, bcrypt.ErrPasswordTooLong) {
			return nil, fmt.Errorf("cluster: user %s: the password is longer than 72 bytes", u.Username)
		}
		if err != nil {
			return nil, fmt.Errorf("cluster: user %s: %w", u.Username, err)
		}
		u.Password = string(hash)
	}
	return all, nil
}

// URLFor is the address of an embedded server with a user's name and password. Who has it can join as
// this user. It is empty where the server does not listen.
func (c *Cluster) URLFor(u User) string {
	if c.server == nil {
		return ""
	}
	return c.server.url(c.opt.Cert != "", url.UserPassword(u.Name, u.Password))
}
