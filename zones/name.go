package zones

// A Name is a domain name in canonical wire form: length-prefixed labels in lower case (ASCII only),
// ended by the root label. It is comparable and made by ParseName or NameFromWire alone; the zero Name
// ("") is no name.
type Name string
