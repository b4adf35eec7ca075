package dnsserver

// A Transport is how a query comes. The zero Transport is UDP.
type Transport uint8

const (
	UDP Transport = iota
	TCP
	transports // how many there are
)

// String returns the transport as metrics name it.
func (t Transport) String() string { return [...]string{"udp", "tcp"}[t] }

// stream reports whether the response has no limit but that of a message.
func (t Transport) stream() bool { return t != UDP }
