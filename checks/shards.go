package checks

import (
	"iter"
	"maps"
)

// fan is how many pages there are, and shards in each: among 10,000 keys a change copies 64 pointers and a map
// of about ten.
const fan = 32

const shardCount = fan * fan

// shards are an immutable map, divided into small ones by a number that the caller takes of each key. The
// zero value is empty.
type shards[K comparable, V any] struct {
	top *[fan]*shardPage[K, V] // nil: none
}

type shardPage[K comparable, V any] [fan]map[K]V

// of returns the shard of a number: read only, and nil where it is empty.
func (s shards[K, V]) of(number uint64) map[K]V {
	if s.top == nil {
		return nil
	}
	i := number % shardCount
	p := s.top[i/fan]
	if p == nil {
		return nil
	}
	return p[i%fan]
}

// all yields all shards that have been filled.
func (s shards[K, V]) all() iter.Seq[map[K]V] {
	return func(yield func(map[K]V) bool) {
		if s.top == nil {
			return
		}
		for _, p := range s.top {
			if p == nil {
				continue
			}
			for _, m := range p {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// A shardEdit is shards in the making: what it shares with those that it was made from is copied before it is
// written. It is not to be used again once its shards are.
type shardEdit[K comparable, V any] struct {
	shards[K, V]
	pages [fan]bool // that are its own
	maps  [shardCount]bool
}

// edit begins to change shards, which stay as they are.
func (s shards[K, V]) edit() *shardEdit[K, V] {
	e := &shardEdit[K, V]{shards: shards[K, V]{new([fan]*shardPage[K, V])}}
	if s.top != nil {
		*e.top = *s.top
	}
	return e
}

// own returns the shard of a number, to be written.
func (e *shardEdit[K, V]) own(number uint64) map[K]V {
	i := number % shardCount
	if !e.pages[i/fan] {
		p := new(shardPage[K, V])
		if e.top[i/fan] != nil {
			*p = *e.top[i/fan]
		}
		e.top[i/fan], e.pages[i/fan] = p, true
	}
	m := &e.top[i/fan][i%fan]
	if !e.maps[i] {
		if *m, e.maps[i] = maps.Clone(*m), true; *m == nil {
			*m = map[K]V{}
		}
	}
	return *m
}
