//go:build unix

package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestUI: the command shows the runs of a folder until a signal comes. Where other machines can reach
// it, it makes a token and answers nobody without.
func TestUI(t *testing.T) {
	world(t)
	for _, c := range []struct{ listen, token string }{{"127.0.0.1:0", ""}, {"0.0.0.0:0", `\?token=\w{26}`}} {
		var out, said lines
		ended := make(chan int, 1)
		go func() {
			ended <- execute([]string{"ui", "--runs", "fresh", "--listen", c.listen}, strings.NewReader(""), &out, &said)
		}()
		var at []string
		for end := time.Now().Add(time.Minute); at == nil; time.Sleep(10 * time.Millisecond) {
			at = regexp.MustCompile(`(?m)^http://\S+:(\d+)/(` + c.token + `)$`).FindStringSubmatch(out.String())
			if time.Now().After(end) {
				t.Fatalf("%s: it does not listen: %s %s", c.listen, out.String(), said.String())
			}
		}
		page := "http://" + net.JoinHostPort("127.0.0.1", at[1]) + "/"
		status, text := ask(t, page, "")
		if c.token == "" && (status != 200 || !strings.Contains(text, "There are no runs in <code>fresh</code>")) || c.token != "" && status != 401 {
			t.Errorf("%s: status %d: %s", c.listen, status, text)
		}
		if c.token != "" {
			if !strings.Contains(said.String(), "other machines") {
				t.Errorf("%s: it says %q", c.listen, said.String())
			}
			if status, _ := ask(t, page+"rows", strings.TrimPrefix(at[2], "?token=")); status != 200 {
				t.Errorf("%s: with the token: %d", c.listen, status)
			}
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case code := <-ended:
			if code != exitDone {
				t.Errorf("%s: status %d: %s", c.listen, code, said.String())
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: it did not end in a minute", c.listen)
		}
	}
}

// ask gets a page, with a token if there is one.
func ask(t *testing.T, page, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", page, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(b)
}
