package checks

import "maps"

// Keyed is an immutable table of values by the key of their register, cheap to change in few places as
// Verdicts are. The zero Keyed is empty.
type Keyed[V any] struct {
	shards []map[string]V // nil or shardCount of them
}

// NewKeyed returns a table of these values.
func NewKeyed[V any](values map[string]V) Keyed[V] {
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	return Keyed[V]{}.with(keys, func(key string) (V, bool) { return values[key], true })
}

// Get returns the value of a key, and whether there is one.
func (k Keyed[V]) Get(key string) (V, bool) {
	if k.shards == nil {
		var none V
		return none, false
	}
	v, ok := k.shards[shardOfKey(key)][key]
	return v, ok
}

// with returns k with the values that these keys have now, and without those that have none. Neither k nor
// what it shares with the result is changed.
func (k Keyed[V]) with(keys []string, value func(key string) (V, bool)) Keyed[V] {
	if len(keys) == 0 {
		return k
	}
	next := Keyed[V]{shards: make([]map[string]V, shardCount)}
	copy(next.shards, k.shards)
	var owned [shardCount]bool
	for _, key := range keys {
		i := shardOfKey(key)
		if !owned[i] {
			if next.shards[i], owned[i] = maps.Clone(next.shards[i]), true; next.shards[i] == nil {
				next.shards[i] = map[string]V{}
			}
		}
		if v, ok := value(key); ok {
			next.shards[i][key] = v
		} else {
			delete(next.shards[i], key)
		}
	}
	return next
}

// shardOfKey is FNV-1a.
func shardOfKey(key string) int {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return int(h % shardCount)
}
