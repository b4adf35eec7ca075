package probe

import "net/netip"

// Env is what the node hands to all its probers: one value, filled before the first probe, then only
// read. Every Prober of a node shares it, so that they share the ICMP sockets in it too.
type Env struct {
	UserAgent string       // "vitalns/VERSION (NODE)"
	Source    []netip.Addr // the first of a target's family is the source address; none: the system's choice
	Resolver  string       // HOST:PORT of the resolver of targets with a domain name; "": the system's
}
