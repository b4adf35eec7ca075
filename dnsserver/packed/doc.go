// Package packed answers queries from the wire form in which zones keeps names, records and the answers of
// pools, without a dns.Msg and without allocation.
//
// It keeps nothing between two queries, so that there is no second truth that a change of a zone or a verdict
// would have to reach: the one value that is swapped is the zones.Table, and one load of its pointer is all
// that a query shares with others. What is built ahead stands in the table: static records as they answer the
// question for their own name (zones.Packed), and what a pool adds, once for all names that use it, when
// a verdict resolves it (zones.Turn, zones.Body). So most responses are a header, the question as the client
// spelt it and one copy or two. Else a response is put together from the store, with names compressed.
// Rotation, weights and hashes are drawn by policy, as on the plain path.
//
// The plain path, dnsserver.Respond, is the reference: a response is the very bytes that Respond packs,
// compression included, so that both leave out the same where a response does not fit; tests hold them
// equal. What is rare is not written twice but left to Respond: classes but IN, opcodes but QUERY,
// transfers, DNAME, ALIAS, types whose data have names that few zones hold, and whatever exceeds the bounds
// that stand at the constants of this package. Its one main call is Answerer.Answer.
package packed
