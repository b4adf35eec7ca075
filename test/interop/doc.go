// Package interop holds vitalns against other servers and tools, as child processes on loopback.
//
// Its largest part asks vitalns, NSD, Knot and BIND the same questions, over real sockets, about the same
// zones, which vitalns gets by `zone import`. A question on which the three disagree does not count (agreed
// says in what); on all others vitalns answers the same, or the difference is one of exceptions, which quotes
// the RFC that allows it. What is the same after being made normal, reply says.
//
// Whatever vitalns answers to these questions is held against both of its query paths as well, in process and
// octet for octet: paths says how.
package interop
