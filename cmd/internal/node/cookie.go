package node

import (
	"crypto/rand"
	"slices"
	"time"

	"vitalns/checks"
)

// cookieRotation is how often the secrets of server cookies are replaced (RFC 9018 §5 leaves it to the
// server; a cookie lives for an hour, and its secret for two rotations more).
const cookieRotation = 24 * time.Hour

// useCookies has the server make and accept cookies by the secrets of the node file, else by those of the
// cluster.
func (n *Node) useCookies(snap *checks.Snapshot) {
	secrets := n.loaded.Cookies
	if c := snap.Cookies; len(secrets) == 0 && c.Generation > 0 {
		secrets = []checks.Secret{c.Current, c.Next, c.Previous} // the first makes, all are accepted
	}
	if slices.Equal(secrets, n.secrets) {
		return
	}
	n.secrets = secrets
	bare := make([][16]byte, len(secrets))
	for i, s := range secrets {
		bare[i] = s
	}
	n.cookies.Set(bare...)
	n.log.Info("server cookies have new secrets", "generation", snap.Cookies.Generation, "from_file", len(n.loaded.Cookies) > 0)
}

// cookieWrites returns the register that makes or rotates the secrets of the cluster, if that is for this
// node to do: the lowest-named fresh one. Each side of a partition goes on rotating: what they make cookies
// by after one rotation is the Next that both had before.
func (n *Node) cookieWrites(snap *checks.Snapshot, now time.Time) []checks.Register {
	c := snap.Cookies
	switch {
	case len(snap.Fresh) == 0 || snap.Fresh[0] != n.cfg.Node:
		return nil
	case c.Generation == 0:
		c.Current, c.Next = newSecret(), newSecret() // as Previous one that nobody made anything by
	case now.Before(snap.CookiesDue):
		return nil
	}
	c = c.Rotate(newSecret())
	return []checks.Register{{Kind: checks.KindCookies, Key: checks.CookieKey, Payload: checks.EncodeCookieSecrets(c), Left: n.cfg.cookieRotation()}}
}

func newSecret() (s checks.Secret) {
	_, _ = rand.Read(s[:]) // never fails (crypto/rand)
	return s
}

func (c Config) cookieRotation() time.Duration {
	if c.CookieRotation == 0 {
		return cookieRotation
	}
	return c.CookieRotation
}
