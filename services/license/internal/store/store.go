// Package store says what the license service keeps, independent of how: the interfaces are the contract that every
// implementation must meet, and package storetest the suite that shows whether it does.
//
// Every method is one transaction, serializable against all others. Refusals are *errs.Error values with the documented reason;
// any other error means trouble with the database, and unless said otherwise the call may be repeated.
package store

// Store is everything that the license service keeps.
type Store interface {
	Records
	Provisioning
	Outbox
	PhoneUserWriter
	Imports
	PhoneRecords
	Checkup
}
