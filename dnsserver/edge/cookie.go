package edge

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/dchest/siphash"
)

// A CookieResult says what a query's cookie is worth. The zero result is NoCookie.
type CookieResult uint8

const (
	NoCookie      CookieResult = iota // none came, or this server has no secret
	ClientCookie                      // the client has none of ours yet
	BadCookie                         // not made by us for this client, or too long ago
	ValidCookie                       // the client has been answered at this address
	CookieResults                     // how many there are
)

// String returns the result as metrics name it.
func (r CookieResult) String() string {
	return [...]string{"none", "client_only", "bad", "valid"}[r]
}

// A Cookie is what a query's COOKIE option comes to.
type Cookie struct {
	Result CookieResult
	Answer [clientCookie + serverCookie]byte // what the response carries, unless the result is NoCookie
}

// Lengths of the parts of a cookie (RFC 7873 §4, RFC 9018 §4): the client's; ours, of version, reserved
// bytes, time and hash.
const (
	clientCookie  = 8
	serverCookie  = 16
	hashed        = 16 // of both together, what the hash is over besides the address
	cookieVersion = 1
)

// RFC 9018 §4.3: how old a cookie may be, how far ahead of our clock, and from what age it is renewed.
const (
	oldestCookie  = uint32(time.Hour / time.Second)
	newestCookie  = uint32(5 * time.Minute / time.Second)
	renewedCookie = uint32(30 * time.Minute / time.Second)
)

// A Jar makes and checks server cookies (RFC 9018, version 1: SipHash-2-4). Its zero value has no secret,
// and so no cookies. Any goroutine may use it.
type Jar struct{ secrets atomic.Pointer[[]sipKey] }

// MaxSecrets is how many secrets a Jar may have.
const MaxSecrets = 3

type sipKey struct{ k0, k1 uint64 }

// Set replaces the secrets, at most MaxSecrets of them: cookies are made by the first and accepted under
// all of them.
func (j *Jar) Set(secrets ...[16]byte) {
	keys := make([]sipKey, 0, len(secrets))
	for _, s := range secrets[:min(len(secrets), MaxSecrets)] {
		keys = append(keys, sipKey{binary.LittleEndian.Uint64(s[:8]), binary.LittleEndian.Uint64(s[8:])})
	}
	j.secrets.Store(&keys)
}

// Look checks the cookie of a query from a client, and makes the one for the response: that of the
// client, as long as it is young, else a new one. It says so in c, whatever that was.
func (j *Jar) Look(c *Cookie, q *Query, client netip.Addr, now time.Time) {
	c.Result = NoCookie
	keys := j.secrets.Load()
	if len(q.Cookie) < clientCookie || keys == nil || len(*keys) == 0 {
		return
	}
	at := uint32(now.Unix())
	c.Result = ClientCookie
	if len(q.Cookie) > clientCookie {
		c.Result = BadCookie
		if age, ok := check(*keys, q.Cookie, client, at); ok {
			c.Result = ValidCookie
			if age < renewedCookie || int32(age) < 0 {
				copy(c.Answer[:], q.Cookie)
				return
			}
		}
	}
	// In words of 8 bytes, as hash reads them: it need not wait until what is written has arrived.
	binary.LittleEndian.PutUint64(c.Answer[:], binary.LittleEndian.Uint64(q.Cookie))
	binary.BigEndian.PutUint64(c.Answer[clientCookie:], cookieVersion<<56|uint64(at))
	binary.LittleEndian.PutUint64(c.Answer[hashed:], (*keys)[0].hash(c.Answer[:hashed], client))
}

// check reports whether a cookie was made under one of some secrets, for this client and not too long
// ago, and how many seconds ago that was; times are compared by RFC 1982.
func check(keys []sipKey, cookie []byte, client netip.Addr, now uint32) (age uint32, ok bool) {
	if len(cookie) != clientCookie+serverCookie || cookie[clientCookie] != cookieVersion {
		return 0, false
	}
	age = now - binary.BigEndian.Uint32(cookie[hashed-4:])
	if int32(age) > int32(oldestCookie) || int32(age) < -int32(newestCookie) {
		return 0, false
	}
	sum := binary.LittleEndian.Uint64(cookie[hashed:])
	for _, k := range keys {
		ok = ok || k.hash(cookie[:hashed], client) == sum
	}
	return age, ok
}

// hash is SipHash-2-4 over a cookie without its hash, reserved bytes as they came, and the address.
func (k sipKey) hash(cookie []byte, client netip.Addr) uint64 {
	var buf [hashed + 16]byte
	binary.LittleEndian.PutUint64(buf[:], binary.LittleEndian.Uint64(cookie))
	binary.LittleEndian.PutUint64(buf[clientCookie:], binary.LittleEndian.Uint64(cookie[clientCookie:]))
	if client.Is4() || client.Is4In6() {
		addr := client.As4()
		return siphash.Hash(k.k0, k.k1, buf[:hashed+copy(buf[hashed:], addr[:])])
	}
	addr := client.As16()
	return siphash.Hash(k.k0, k.k1, buf[:hashed+copy(buf[hashed:], addr[:])])
}
