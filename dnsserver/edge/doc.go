// Package edge knows what both query paths need to know of a message before it is answered: how it is
// read (Read), whether its cookie is one of ours (Jar), who sent it through a proxy, and whether its
// client gets too much (Limiter). It knows nothing of zones, and nothing here allocates per query.
package edge
