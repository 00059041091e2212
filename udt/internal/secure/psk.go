package secure

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"

	"golang.org/x/crypto/argon2"
)

// PSK is a secret that both sides share. Two Ed25519 keys are made of it, one per
// role, and each side pins the other's: who has not the secret has neither.
type PSK struct {
	// Identity names the secret to a server that holds several. It travels hashed
	// but is not secret, and must not be derived from the secret: that would let
	// anyone guess a weak one.
	Identity string

	Key [32]byte
}

// PassphraseKey stretches a passphrase to a key with Argon2id (3 passes, 64 MiB,
// 4 lanes): some 0.1 s on purpose. An active attacker can still try guesses
// against what a server sends.
func PassphraseKey(passphrase, salt []byte) (key [32]byte) {
	copy(key[:], argon2.IDKey(passphrase, salt, 3, 64<<10, 4, 32))
	return key
}

func (p *PSK) serverName() string {
	sum := sha256.Sum256([]byte(p.Identity))
	return hex.EncodeToString(sum[:8]) + ".psk.udt.invalid"
}

func (p *PSK) key(label string) (ed25519.PrivateKey, error) {
	seed, err := hkdf.Key(sha256.New, p.Key[:], nil, label, ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

const (
	pskServer = "udt psk server"
	pskClient = "udt psk client"
)

// pskPair is what a server knows of one identity.
type pskPair struct {
	cert *tls.Certificate
	peer ed25519.PublicKey
}

// pair returns our certificate for the role own and the key of the other role.
func (p *PSK) pair(own, other string) (*pskPair, error) {
	if p.Key == [32]byte{} {
		return nil, errNoPSK
	}
	ownKey, err := p.key(own)
	if err != nil {
		return nil, err
	}
	otherKey, err := p.key(other)
	if err != nil {
		return nil, err
	}
	cert, err := selfSigned(ownKey)
	if err != nil {
		return nil, err
	}
	return &pskPair{&cert, otherKey.Public().(ed25519.PublicKey)}, nil
}

// PSKClient returns the configuration of a client. verify may be nil.
func PSKClient(p *PSK, verify VerifyPeer) (*tls.Config, error) {
	pair, err := p.pair(pskClient, pskServer)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{
		ServerName:         p.serverName(),
		Certificates:       []tls.Certificate{*pair.cert},
		InsecureSkipVerify: true, // the pinned key replaces the chain
		VerifyConnection: func(state tls.ConnectionState) error {
			if !holds(&state, pair.peer) {
				return errOtherPSK
			}
			return nil
		},
	}
	harden(c, verify)
	return c, nil
}

// PSKServer returns the configuration of a server that holds several secrets. The
// client says which one it means. verify may be nil.
func PSKServer(keys []PSK, verify VerifyPeer) (*tls.Config, error) {
	if len(keys) == 0 {
		return nil, errNoPSK
	}
	pairs := make(map[string]*pskPair, len(keys))
	for i := range keys {
		name := keys[i].serverName()
		if pairs[name] != nil {
			return nil, errPSKIdentity
		}
		pair, err := keys[i].pair(pskServer, pskClient)
		if err != nil {
			return nil, err
		}
		pairs[name] = pair
	}
	c := &tls.Config{
		ClientAuth: tls.RequireAnyClientCert,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if pair := pairs[hello.ServerName]; pair != nil {
				return pair.cert, nil
			}
			return nil, nil // crypto/tls then says that it does not know the name
		},
		VerifyConnection: func(state tls.ConnectionState) error {
			if pair := pairs[state.ServerName]; pair == nil || !holds(&state, pair.peer) {
				return errOtherPSK
			}
			return nil
		},
	}
	harden(c, verify)
	return c, nil
}
