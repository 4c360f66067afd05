package keeper

import "github.com/google/uuid"

// Waiting says how many commands of an account wait for the transaction under way.
func (k *Keeper) Waiting(account uuid.UUID) int { return k.group.Waiting(account) }
