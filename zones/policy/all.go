package policy

// All serves every member together, rotated from query to query.
func All(members []Member) Choice {
	return Choice{Mode: Together, Members: members}
}
