// Package records holds every type of record to its way from a file to an answer and back.
package records
