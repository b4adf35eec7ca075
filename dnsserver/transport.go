package dnsserver

// A Transport is how a query comes. The zero Transport is UDP.
type Transport uint8

const (
	UDP        Transport = iota
	TCP                  // RFC 7766
	TLS                  // DNS over TLS, RFC 7858
	HTTPS                // DNS over HTTPS, RFC 8484
	transports           // how many there are
)

// String returns the transport as metrics name it.
func (t Transport) String() string { return [...]string{"udp", "tcp", "dot", "doh"}[t] }

// stream reports whether the response has no limit but that of a message.
func (t Transport) stream() bool { return t != UDP }

// encrypted reports whether nobody between here and the client can read it.
func (t Transport) encrypted() bool { return t == TLS || t == HTTPS }
