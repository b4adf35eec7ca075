package zonefile

import (
	"fmt"
	"strconv"
	"strings"
)

// A LOC (RFC 1876): version, size, horizontal and vertical precision, latitude, longitude, altitude.
const (
	locMiddle   = 1 << 31  // the equator and the prime meridian, in thousandths of a second of arc
	locSeaLevel = 10000000 // cm above the base of altitudes
	locDegree   = 3600 * 1000
)

func readLOC(r *rdataReader) error {
	latitude, err := r.angle(90, "N", "S")
	if err != nil {
		return err
	}
	longitude, err := r.angle(180, "E", "W")
	if err != nil {
		return err
	}
	text, err := r.word("an altitude")
	if err != nil {
		return err
	}
	altitude, ok := centimetres(text)
	if altitude += locSeaLevel; !ok || altitude < 0 || altitude > 1<<32-1 {
		return r.wrong("%q is not an altitude: metres from -100000.00 to 42849672.95", text)
	}
	sizes := [3]byte{0x12, 0x16, 0x13} // 1 m, 10 km, 10 m
	for i := range sizes {
		if r.next == len(r.toks) {
			break
		}
		if text, err = r.word("a size"); err != nil {
			return err
		}
		cm, ok := centimetres(text)
		if !ok || cm < 0 || cm > 9e9 {
			return r.wrong("%q is not a size: metres from 0 to 90000000.00", text)
		}
		sizes[i] = locSize(cm)
	}
	r.out = append(append(r.out, 0), sizes[:]...)
	r.out = appendUint(r.out, 4, uint64(latitude))
	r.out = appendUint(r.out, 4, uint64(longitude))
	r.out = appendUint(r.out, 4, uint64(altitude))
	return nil
}

// angle reads degrees, optional minutes and seconds, and a direction.
func (r *rdataReader) angle(limit int64, plus, minus string) (int64, error) {
	var sum int64
	for i, unit := range [4]int64{locDegree, 60 * 1000, 1000, 0} {
		text, err := r.word("a direction")
		if err != nil {
			return 0, err
		}
		if i > 0 && strings.EqualFold(text, plus) || i > 0 && strings.EqualFold(text, minus) {
			if sum > limit*locDegree {
				return 0, r.wrong("an angle of more than %d degrees", limit)
			}
			if strings.EqualFold(text, minus) {
				sum = -sum
			}
			return locMiddle + sum, nil
		}
		places := 0
		if unit == 1000 {
			places = 3
		}
		v, ok := decimal(text, places)
		if unit == 1000 {
			unit = 1
		}
		if !ok || v < 0 || unit == 0 || i == 0 && v > limit || i == 1 && v > 59 || i == 2 && v > 59999 {
			return 0, r.wrong("%q is not part of an angle: degrees, minutes and seconds, and %s or %s", text, plus, minus)
		}
		sum += v * unit
	}
	return 0, r.missing("a direction")
}

// decimal reads a decimal number with at most so many places, as a multiple of the last place.
func decimal(text string, places int) (int64, bool) {
	whole, fraction, dotted := strings.Cut(text, ".")
	if len(fraction) > places || dotted && places == 0 || strings.HasPrefix(fraction, "-") || strings.HasPrefix(fraction, "+") || strings.HasPrefix(whole, "+") || len(whole) > 12 {
		return 0, false
	}
	v, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", places-len(fraction)), 10, 64)
	return v, err == nil
}

// centimetres reads metres, with or without the unit.
func centimetres(text string) (int64, bool) {
	return decimal(strings.TrimSuffix(strings.TrimSuffix(text, "m"), "M"), 2)
}

// locSize returns a size as mantissa and power of ten, in four bits each. What does not fit is cut.
func locSize(cm int64) byte {
	power := byte(0)
	for cm > 9 {
		cm /= 10
		power++
	}
	return byte(cm)<<4 | power
}

func showLOC(w *rdataWriter) bool {
	b := w.take(16)
	if b == nil {
		return false
	}
	if b[0] != 0 { // another version: RFC 1876 §2 says nothing of its form
		w.opaque = true
		return true
	}
	for _, size := range b[1:4] {
		if size>>4 > 9 || size&15 > 9 {
			return false
		}
	}
	latitude, longitude := int64(bigEndian(b[4:8]))-locMiddle, int64(bigEndian(b[8:12]))-locMiddle
	if max(latitude, -latitude) > 90*locDegree || max(longitude, -longitude) > 180*locDegree {
		return false
	}
	w.angle(latitude, "N", "S")
	w.angle(longitude, "E", "W")
	w.word(metres(int64(bigEndian(b[12:16])) - locSeaLevel))
	for _, size := range b[1:4] {
		cm := int64(size >> 4)
		for range size & 15 {
			cm *= 10
		}
		w.word(metres(cm))
	}
	return true
}

func (w *rdataWriter) angle(v int64, plus, minus string) {
	direction := plus
	if v < 0 {
		v, direction = -v, minus
	}
	w.word(fmt.Sprintf("%d %d %d.%03d %s", v/locDegree, v/60000%60, v/1000%60, v%1000, direction))
}

func metres(cm int64) string {
	sign := ""
	if cm < 0 {
		sign, cm = "-", -cm
	}
	return fmt.Sprintf("%s%d.%02dm", sign, cm/100, cm%100)
}
