package checks

// Keyed is an immutable table of values by the key of their register, cheap to change in few places as
// Verdicts are. The zero Keyed is empty.
type Keyed[V any] struct {
	shards shards[string, V]
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
	v, ok := k.shards.of(numberOf(key))[key]
	return v, ok
}

// with returns k with the values that these keys have now, and without those that have none. Neither k nor
// what it shares with the result is changed.
func (k Keyed[V]) with(keys []string, value func(key string) (V, bool)) Keyed[V] {
	if len(keys) == 0 {
		return k
	}
	e := k.shards.edit()
	for _, key := range keys {
		m := e.own(numberOf(key))
		if v, ok := value(key); ok {
			m[key] = v
		} else {
			delete(m, key)
		}
	}
	return Keyed[V]{e.shards}
}

// numberOf is FNV-1a.
func numberOf(key string) uint64 {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return uint64(h)
}
