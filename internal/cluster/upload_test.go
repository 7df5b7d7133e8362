package cluster

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestUpload(t *testing.T) {
	c, _ := open(t, Options{})
	ctx := soon(t)
	openQueue(t, c, "a")
	for name, content := range map[string][]byte{
		"nothing": {}, "a byte": {7}, "a part": noise(uploadPart), "more": noise(2*uploadPart + 1),
	} {
		var d Digest
		for range 2 { // doing it twice is doing it once
			var err error
			if d, err = c.Upload(ctx, "work", content); err != nil || d != DigestOf(content) {
				t.Fatalf("%s: %s, %v", name, d, err)
			}
		}
		b, err := c.Uploaded(ctx, "work", d, int64(len(content)))
		if err != nil || !bytes.Equal(b, content) {
			t.Errorf("%s comes back as %d bytes, %v", name, len(b), err)
		}
		if _, err := c.Uploaded(ctx, "work", d, int64(len(content))-1); err == nil || !strings.Contains(err.Error(), "has more than") {
			t.Errorf("%s, with too low a limit: %v", name, err)
		}
		if _, err := c.Uploaded(ctx, "other", d, 10); !errors.Is(err, ErrNoBlob) {
			t.Errorf("%s: another group has it: %v", name, err)
		}
	}
	d := DigestOf(noise(2*uploadPart + 1))
	for range 2 {
		if err := c.DropUpload(ctx, "work", d); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Uploaded(ctx, "work", d, 10<<20); !errors.Is(err, ErrNoBlob) {
			t.Errorf("it was dropped: %v", err)
		}
	}
	if b, err := c.Uploaded(ctx, "work", DigestOf([]byte{7}), 10); err != nil || len(b) != 1 {
		t.Errorf("another upload was dropped: %v", err)
	}
	if err := c.DropUpload(ctx, "work", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Uploaded(ctx, "work", DigestOf([]byte{7}), 10); !errors.Is(err, ErrNoBlob) {
		t.Errorf("all were dropped: %v", err)
	}
}

// TestUploadDamaged reads parts that are not what they should be.
func TestUploadDamaged(t *testing.T) {
	c, _ := open(t, Options{})
	ctx := soon(t)
	openQueue(t, c, "a")
	content := noise(uploadPart + 100)
	d := DigestOf(content)
	for name, harm := range map[string]func(m *nats.Msg){
		"a flipped bit": func(m *nats.Msg) { m.Data = bytes.Clone(m.Data); m.Data[3] ^= 1 },
		"cut off":       func(m *nats.Msg) { m.Data = m.Data[:5] },
		"no count":      func(m *nats.Msg) { m.Header.Set(countHeader, "x") },
		"too high":      func(m *nats.Msg) { m.Header.Set(countHeader, "1000000000") },
		"negative":      func(m *nats.Msg) { m.Header.Set(countHeader, "-1") },
	} {
		if _, err := c.Upload(ctx, "work", content); err != nil {
			t.Fatal(err)
		}
		m := nats.NewMsg(uploadSubject("work", d, "0"))
		m.Data = content[:uploadPart]
		m.Header.Set(countHeader, "2")
		harm(m)
		if _, err := c.js.PublishMsg(context.Background(), m); err != nil {
			t.Fatal(err)
		}
		if b, err := c.Uploaded(ctx, "work", d, 10<<20); err == nil {
			t.Errorf("%s: %d bytes", name, len(b))
		}
	}
}
