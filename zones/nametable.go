package zones

// A nameTable finds the blocks of one Records by name, while it is made or compared. Its slots are as those
// of a store.
type nameTable []slot

// newNameTable makes a table with room for so many names, in which those that r has are found.
func newNameTable(r *Records, names int) nameTable {
	slots := 16
	for 3*slots < 4*(names+1) {
		slots *= 2
	}
	t := make(nameTable, slots)
	for id := range r.all() {
		t.insert(r, id)
	}
	return t
}

func (t nameTable) insert(r *Records, id OwnerID) {
	mask := uint64(len(t) - 1)
	h := hash(string(r.block(id).name()))
	i := h & mask
	for t[i] != 0 {
		i = (i + 1) & mask
	}
	t[i] = slot(h)&slotHash | slot(id+1)
}

// find does not keep name.
func (t nameTable) find(r *Records, name string) (OwnerID, bool) {
	mask := uint64(len(t) - 1)
	h := hash(name)
	for i := h & mask; ; i = (i + 1) & mask {
		at := t[i]
		if at == 0 {
			return 0, false
		}
		if id := OwnerID(at&slotNode) - 1; (at^slot(h))&slotHash == 0 && r.block(id).is(name) {
			return id, true
		}
	}
}
