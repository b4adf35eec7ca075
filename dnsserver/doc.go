// Package dnsserver answers DNS queries from a table of zones.
//
// It knows packets: what a query may look like, how an outcome of zones becomes a response (RFC 1034,
// 2308, 4592, 6672, 6891), sockets, limits and drain. It refuses to know health: whatever health decides
// stands in the table. Its main calls are Respond, which is pure, and Server.Serve around it.
package dnsserver
