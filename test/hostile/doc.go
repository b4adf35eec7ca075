// Package hostile holds a real vitalns against those who mean it no good: garbage over UDP and TCP, and
// clients that hold connections. VITALNS_SOAK=1 runs all of it, in minutes; without, a share of each.
package hostile
