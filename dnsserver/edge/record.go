package edge

import "encoding/binary"

// skipName walks the name at a place of a message, which may be compressed, and returns where it ends
// there and whether it is the root.
func skipName(wire []byte, at int) (end int, root, ok bool) {
	start, length := at, 0 // where what is being read started; what has been read
	for at < len(wire) {
		n := int(wire[at])
		switch {
		case n == 0:
			if end == 0 {
				end = at + 1
			}
			return end, length == 0, length+1 <= maxName
		case n <= maxLabel:
			at += 1 + n
			length += 1 + n
		case n < 0xc0 || at+1 >= len(wire):
			return 0, false, false
		default:
			if end == 0 {
				end = at + 2
			}
			to := (n&0x3f)<<8 | int(wire[at+1])
			if to >= start { // a prior occurrence (RFC 1035 §4.1.4): so it comes to an end
				return 0, false, false
			}
			at, start = to, to
		}
		if length >= maxName {
			return 0, false, false
		}
	}
	return 0, false, false
}

// A shape is that of a record's data: so many bytes, names, and bytes again.
type shape struct{ before, names, after int }

// shapeOf returns the shape of the data of the types that have one and that every server knows.
func shapeOf(typ uint16) (s shape, known bool) {
	switch typ {
	case 1: // A
		return shape{before: 4}, true
	case 28: // AAAA
		return shape{before: 16}, true
	case 2, 3, 4, 5, 7, 8, 9, 12, 39: // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
		return shape{names: 1}, true
	case 6: // SOA
		return shape{names: 2, after: 20}, true
	case 14, 17: // MINFO, RP
		return shape{names: 2}, true
	case 15, 18, 21, 36: // MX, AFSDB, RT, KX
		return shape{before: 2, names: 1}, true
	case 33: // SRV
		return shape{before: 6, names: 1}, true
	}
	return shape{}, false
}

// dataFits reports whether the data of a record fits its type, as far as that is known.
func dataFits(wire []byte, typ uint16, from, to int) bool {
	s, known := shapeOf(typ)
	if !known {
		return true
	}
	at := from + s.before
	for range s.names {
		end, _, ok := skipName(wire[:to], at)
		if !ok {
			return false
		}
		at = end
	}
	return at+s.after == to
}

// tsigFits reports whether the data of a TSIG record has its shape (RFC 8945 §4.2): algorithm, time and
// fudge, MAC, original id, error, other data.
func tsigFits(wire []byte, from, to int) bool {
	end, _, ok := skipName(wire[:to], from)
	mac := end + 8
	if !ok || mac+2 > to {
		return false
	}
	other := mac + 2 + int(binary.BigEndian.Uint16(wire[mac:])) + 4
	return other+2 <= to && other+2+int(binary.BigEndian.Uint16(wire[other:])) == to
}
