// Package gossip carries registers and heartbeats between the nodes of a cluster: straight to every
// member, by memberlist's gossip, and whole states on request.
//
// It knows who is a member and how to reach it, how to join and to join again, and how a message looks
// on the wire. It refuses to know what a register means and whose votes count. Its one main call is
// [Mesh.Run].
package gossip
