// Package ui serves a page over a folder of runs: a list of them, a page for each, several side by
// side, and a plan page that predicts what a fit would cost and starts it. It is a package of its own
// so that programs that only tune and predict contain no server.
package ui

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/dash"
	"github.com/permafrost-ml/permafrost/internal/failure"
)

// Options say what is shown, and to whom.
type Options struct {
	Runs   string   // the folder of the runs; it is made where it does not exist
	Models []string // models that the plan page may open: files, folders with files, names of the hub
	Data   []string // data that it may train on: tables, folders of examples, folders with such

	// Token is what a browser must present, at least TokenLeast characters. It may be empty only where
	// no other machine can reach the listener. See NewToken.
	Token string
	// Hosts are names by which browsers may call the server, beside localhost and addresses in numbers.
	Hosts []string

	// Program is the command that the page starts a fit with: it gets the arguments of permafrost fit.
	// Empty: the page starts none.
	Program []string
	AtOnce  int // fits started here that go on at once at most; default 2
}

// TokenLeast is the least length of a token.
const TokenLeast = 16

// NewToken makes a token that cannot be guessed.
func NewToken() string { return rand.Text() }

// Server shows runs. It is safe for use from many goroutines.
type Server struct {
	s     *dash.Server
	token bool
}

// New opens the folder of the runs. Close the server after use. It errors with permafrost.ErrBadInput
// where a folder or a file cannot be opened.
func New(o Options) (*Server, error) {
	if o.Token != "" && len(o.Token) < TokenLeast {
		return nil, failure.BadInput(&permafrost.OptionError{Option: "token", Err: fmt.Errorf("%d characters can be guessed: at least %d", len(o.Token), TokenLeast)})
	}
	if o.AtOnce < 0 {
		return nil, failure.BadInput(&permafrost.OptionError{Option: "at_once", Err: fmt.Errorf("%d: at least 1", o.AtOnce)})
	}
	s, err := dash.New(dash.Options{Runs: o.Runs, Models: o.Models, Data: o.Data, Token: o.Token, Hosts: o.Hosts, Program: o.Program, AtOnce: o.AtOnce})
	if err != nil {
		return nil, failure.BadInput(err)
	}
	return &Server{s, o.Token != ""}, nil
}

// Handler answers requests. Whoever serves it sees to it that nobody reaches it without a token.
func (s *Server) Handler() http.Handler { return s.s.Handler() }

// Serve answers on a listener until ctx ends. It then interrupts the fits that were started here, which
// save a checkpoint, and returns when they have ended. It errors with permafrost.ErrBadInput where
// other machines can reach the listener and there is no token. It closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if !s.token && !dash.Local(l.Addr()) {
		l.Close()
		return failure.BadInput(&permafrost.OptionError{Option: "token", Err: errors.New("other machines can reach the address: it needs one")})
	}
	return s.s.Serve(ctx, l)
}

// Local reports whether only this machine can reach an address.
func Local(a net.Addr) bool { return dash.Local(a) }

// Close ends what goes on.
func (s *Server) Close() error { return s.s.Close() }
