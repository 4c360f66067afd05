// Package lease keeps, in etcd, which replica may hand out which block of a range now.
//
// A block is a key that is created only where there is none, bound to the session lease of the replica that created it. When
// the replica ends or is cut off for longer than the lease lasts, the key goes and the block may be taken by the next one. A
// lease is a hint: the database decides whether a number was given out, so that two holders at once cost a retry at most.
package lease

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/switchboard-phone/switchboard/services/extension/internal/number"
)

// Block is a block of a range.
type Block struct {
	Account, Site, Range uuid.UUID
	// Index is the block's place in its range, counted from 0; see number.Span.Block.
	Index int64
	number.Span
}

// Key identifies a block, given its account.
type Key struct {
	Range uuid.UUID
	Index int64
}

// Key returns the block's key.
func (b Block) Key() Key { return Key{Range: b.Range, Index: b.Index} }

// Held is a block with the replica that holds it.
type Held struct {
	Block
	Holder string
	// Expire is when the lease ends unless it is renewed.
	Expire time.Time
	// Key is the block's place in the order of List.
	Key string
}

// prefix of all keys; the version is part of it, so that another way to cut blocks could live beside this one.
const prefix = "/switchboard/extension/v1/blocks/"

// value is what a key holds.
type value struct {
	Holder string        `json:"holder"`
	Site   uuid.UUID     `json:"site"`
	From   number.Number `json:"from"`
	To     number.Number `json:"to"`
}

func rangePrefix(account, rng uuid.UUID) string {
	return prefix + account.String() + "/" + rng.String() + "/"
}

// path is the etcd key. It has the index in hexadecimal with leading zeros, so that keys are in the order of blocks.
func (b Block) path() string {
	return rangePrefix(b.Account, b.Range) + fmt.Sprintf("%08x", b.Index)
}

// parseKey reads account, range and index out of a key.
func parseKey(key string) (Block, error) {
	parts := strings.Split(strings.TrimPrefix(key, prefix), "/")
	if len(parts) != 3 {
		return Block{}, fmt.Errorf("lease key %q has no account, range and index", key)
	}
	account, err := uuid.Parse(parts[0])
	if err != nil {
		return Block{}, fmt.Errorf("lease key %q: %w", key, err)
	}
	rng, err := uuid.Parse(parts[1])
	if err != nil {
		return Block{}, fmt.Errorf("lease key %q: %w", key, err)
	}
	index, err := strconv.ParseInt(parts[2], 16, 64)
	if err != nil {
		return Block{}, fmt.Errorf("lease key %q: %w", key, err)
	}
	return Block{Account: account, Range: rng, Index: index}, nil
}
