// Package zones holds the zones a node is authoritative for and what their pools answer now.
//
// It knows names, records, zone cuts, wildcards and negative answers (RFC 1034, 2308, 4592, 6672), and
// how verdicts become the answer of a pool. It refuses to know packets, files and probes; it has no
// clock. Its main calls are Compile, Set.Lookup and Resolve.
package zones
