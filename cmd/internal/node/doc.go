// Package node is the composition root: it makes one nameserver of a ledger loop, a runner, a mesh, a
// DNS server and the admin HTTP.
//
// It knows how data flows between them and in which order they start and stop. It refuses to know how
// any of them does its work, and touches the world only through the World it is given. Its one main
// call is Node.Run.
package node
