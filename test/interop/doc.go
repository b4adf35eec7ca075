// Package interop holds vitalns against other servers and tools, as child processes on loopback.
package interop
