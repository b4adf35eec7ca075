package zonefile

// Types that zone files and master files have rules for.
const (
	typeA     = 1
	typeNS    = 2
	typeCNAME = 5
	typeSOA   = 6
	typeMX    = 15
	typeTXT   = 16
	typeAAAA  = 28
	typeSRV   = 33
	typeDNAME = 39
	typeDS    = 43
	typeRRSIG = 46
	typeNSEC  = 47
	typeSPF   = 99
)
