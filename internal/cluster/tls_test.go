package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// certificate writes a certificate for 127.0.0.1 that signs itself.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	c, _ := open(t, Options{Listen: "127.0.0.1:0", Cert: cert, Key: key, CA: cert})
	if !strings.HasPrefix(c.URL(), "tls://") {
		t.Error(c.URL())
	}
	q := openQueue(t, c, "a")
	far, _ := open(t, Options{URL: c.URL(), Cert: cert, Key: key, CA: cert})
	work(t, far, "w", double)
	if err := q.Submit(soon(t), submissions(0, 3)...); err != nil {
		t.Fatal(err)
	}
	collect(t, q, 3)
	for name, opt := range map[string]Options{
		"no CA":          {URL: c.URL(), Cert: cert, Key: key},
		"no certificate": {URL: c.URL(), CA: cert},
		"not encrypted":  {URL: strings.Replace(c.URL(), "tls:", "nats:", 1)},
	} {
		opt.Wait = time.Second
		far, err := Open(soon(t), opt)
		if err == nil {
			far.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "check the certificates") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPassword uses a server with users, given in the URL or beside it.
func TestPassword(t *testing.T) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
		Users: []*server.User{{Username: "anna", Password: "secret"}, {Username: "none", Password: "secret", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{">"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	for _, opt := range []Options{{URL: s.ClientURL(), User: "anna", Password: "secret"}, {URL: strings.Replace(s.ClientURL(), "//", "//anna:secret@", 1)}} {
		open(t, opt)
	}
	_, err = Open(soon(t), Options{URL: s.ClientURL(), User: "none", Password: "secret", Wait: time.Second})
	if err == nil || !strings.Contains(err.Error(), "may not") {
		t.Errorf("a user without rights: %v", err)
	}
	noJetStream, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	noJetStream.Start()
	t.Cleanup(func() { noJetStream.Shutdown(); noJetStream.WaitForShutdown() })
	noJetStream.ReadyForConnections(10 * time.Second)
	_, err = Open(soon(t), Options{URL: noJetStream.ClientURL(), Wait: time.Second})
	if err == nil || !strings.Contains(err.Error(), "start the server with -js") {
		t.Errorf("a server without JetStream: %v", err)
	}
}
