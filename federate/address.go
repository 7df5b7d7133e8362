package federate

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/fed/link"
)

// passwords are the users that clients are at the federation's own server. One whose address a folder
// has keeps its password, so that it finds a server again that was resumed.
func passwords(dir string, clients []string) ([]cluster.User, error) {
	var users []cluster.User
	for _, name := range clients {
		u := cluster.User{Name: name, Password: rand.Text(), Group: link.GroupOf(name)}
		b, err := os.ReadFile(addressFile(dir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if a, err := url.Parse(strings.TrimSpace(string(b))); err == nil && a.User != nil && a.User.Username() == name {
			if p, ok := a.User.Password(); ok && p != "" {
				u.Password = p
			}
		}
		users = append(users, u)
	}
	return users, nil
}

func addressFile(dir, client string) string { return filepath.Join(dir, client+".url") }

// writeAddress writes the address of a client, which nobody else may read. It gives the path.
func writeAddress(dir, client, address string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path := addressFile(dir, client)
	err := atomicfile.Write(path, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, address)
		return err
	})
	if err != nil {
		return "", err
	}
	return path, os.Chmod(path, 0o600)
}

// reachable is an address that other machines know, of a server that listens at any.
func reachable(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() || host == "" {
		if name, err := os.Hostname(); err == nil {
			u.Host = net.JoinHostPort(name, port)
		}
	}
	return u.String()
}

// userIn is the user of an address, "" where it has none with a password.
func userIn(address string) string {
	first, _, _ := strings.Cut(address, ",")
	u, err := url.Parse(strings.TrimSpace(first))
	if err != nil || u.User == nil {
		return ""
	}
	if _, ok := u.User.Password(); !ok {
		return "" // a token
	}
	return u.User.Username()
}
