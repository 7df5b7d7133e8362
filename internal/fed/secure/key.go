package secure

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cloudflare/circl/group"
)

// field is where secrets are shared.
var field = group.Ristretto255

const keySize = 32

// derive makes a key for one use out of a secret. The session is part of it, so keys of one sum say
// nothing about another.
func derive(secret []byte, session, use string) []byte {
	key, err := hkdf.Key(sha256.New, secret, []byte(session), "permafrost secure sum: "+use, keySize)
	if err != nil {
		panic(err) // the length is one that HKDF gives
	}
	return key
}

// keyOf makes a private key out of a shared secret.
func keyOf(secret group.Scalar, session, use string) (*ecdh.PrivateKey, error) {
	return ecdh.X25519().NewPrivateKey(derive(bytesOf(secret), session, use))
}

func bytesOf(s group.Scalar) []byte {
	b, err := s.MarshalBinary()
	if err != nil {
		panic(err) // a scalar has bytes
	}
	return b
}

// agree is the secret of two keys.
func agree(own *ecdh.PrivateKey, other []byte) ([]byte, error) {
	public, err := ecdh.X25519().NewPublicKey(other)
	if err != nil {
		return nil, err
	}
	return own.ECDH(public)
}

// stream are the numbers of a mask.
func stream(key []byte, n int) []uint32 {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	b := make([]byte, 4*n)
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(b, b)
	out := make([]uint32, n)
	for i := range out {
		out[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return out
}

// add adds a mask to x, or takes it off.
func add(x []uint32, key []byte, off bool) {
	for i, v := range stream(key, len(x)) {
		if off {
			v = -v
		}
		x[i] += v
	}
}

// seal encrypts a message from one client to another under a key of both.
func seal(rnd io.Reader, key []byte, from, to string, message []byte) ([]byte, error) {
	aead := gcm(key)
	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(rnd, nonce); err != nil {
		return nil, fmt.Errorf("secure: %w", err)
	}
	return aead.Seal(nonce, nonce, message, way(from, to)), nil
}

func open(key []byte, from, to string, sealed []byte) ([]byte, error) {
	aead := gcm(key)
	if len(sealed) < aead.NonceSize() {
		return nil, fmt.Errorf("secure: shares from %s for %s: %d bytes are too few", from, to, len(sealed))
	}
	message, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], way(from, to))
	if err != nil {
		return nil, fmt.Errorf("secure: shares from %s for %s: they were changed on the way, or belong to another sum", from, to)
	}
	return message, nil
}

func way(from, to string) []byte { return fmt.Appendf(nil, "%q to %q", from, to) }

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has blocks of 128 bits
	}
	return aead
}
