// Package live runs vitalns as its users do: child processes on loopback, asked by DNS and by commands.
//
// It knows processes, ports and what an answer says; it refuses to know what an answer should be. Its one
// main call is Open; a Stage is what everything else is started on.
package live
