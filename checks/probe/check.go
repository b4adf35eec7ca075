// Package probe knows how to ask one target, once, whether it works: over HTTP, TCP, TLS, DNS or ICMP.
// One file per check type; its struct is its configuration, with the keys of a zone file in Keys.
//
// It tells three outcomes apart: ok, failed (the target's doing, with a reason a person understands)
// and void (this node's doing: no route, no descriptors, no right to the socket, a timer that fired
// late). It refuses to know when to probe and what a run of results means: that is checks/runner.
// Its one main call is New; the Prober of a Check does the work.
package probe

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"vitalns/checks"
)

// A Check is the configuration of one check: *HTTP, *TCP, *TLS, *DNS or *ICMP. It is filled through
// Keys, then validated, then only read.
type Check interface {
	// Type is the name of the type in a zone file: "http", "https", "tcp", "tls", "dns" or "icmp".
	Type() string
	// Keys are the keys that the type takes, bound to this Check: Set stores into it.
	Keys() []Key
	// Validate reports what is wrong across keys: one that is missing, two that exclude each other.
	// What is wrong with one value is Set's to say. The message has no position and does not name the
	// check.
	Validate() error
	// Where is where the check is aimed.
	Where() Aim
	// Identity is what a result of the check means with this timeout. Address and port are no part of
	// it: they stand in the Target.
	Identity(timeout time.Duration) checks.Identity
	// Prober makes the prober for every target of the check. Later changes of the Check do not reach it.
	Prober(env *Env) checks.Prober
}

// An Aim is the address and the port that a check probes. The zero Address is the served address.
type Aim struct {
	Address netip.Addr
	Port    uint16
}

// kinds has every check type with its defaults. To add a type: one file, and one line here.
var kinds = map[string]func() Check{
	"http":  func() Check { return newHTTP(false) },
	"https": func() Check { return newHTTP(true) },
	"tcp":   func() Check { return newTCP() },
	"tls":   func() Check { return newTLS() },
	"dns":   func() Check { return newDNS() },
	"icmp":  func() Check { return newICMP() },
}

// New returns a check of the named type with the type's defaults.
func New(kind string) (Check, bool) {
	withDefaults, ok := kinds[kind]
	if !ok {
		return nil, false
	}
	return withDefaults(), true
}

// Kinds lists the check types, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// TypesWith lists the check types that take the key, sorted: for "path is for http, not tcp".
func TypesWith(key string) []string {
	var with []string
	for _, kind := range Kinds() {
		if slices.ContainsFunc(kinds[kind]().Keys(), func(k Key) bool { return k.Name == key }) {
			with = append(with, kind)
		}
	}
	return with
}

// Target is what the check probes for a served address, or for a domain name in lower case with its
// final dot.
func Target(c Check, served string, timeout time.Duration) checks.Target {
	aim := c.Where()
	if aim.Address.IsValid() {
		served = aim.Address.String()
	}
	return checks.Target{Host: served, Port: aim.Port, Probe: c.Identity(timeout)}
}

// Where returns the aim; it is the part of Check that all types share.
func (a Aim) Where() Aim { return a }

// addressKey and portKey bind the keys that say where a check is aimed.
func (a *Aim) addressKey() Key {
	return Key{Name: "address", Kind: Text, Doc: "probe this address instead of the one served",
		Set: func(v Value) error {
			addr, err := netip.ParseAddr(v.Text)
			if err != nil || addr.Zone() != "" {
				return fmt.Errorf("%s is not an IP address", quoted(v.Text))
			}
			if addr = addr.Unmap(); addr.IsUnspecified() || addr.IsMulticast() {
				return fmt.Errorf("%s is no address of a single host", addr)
			}
			a.Address = addr
			return nil
		}}
}

func (a *Aim) portKey() Key {
	def := ""
	if a.Port != 0 {
		def = fmt.Sprint(a.Port)
	}
	return Key{Name: "port", Kind: Integer, Default: def, Doc: "the port to probe, 1 to 65535",
		Set: func(v Value) error {
			if v.Integer < 1 || v.Integer > 65535 {
				return fmt.Errorf("%d is not a port: 1 to 65535", v.Integer)
			}
			a.Port = uint16(v.Integer)
			return nil
		}}
}
