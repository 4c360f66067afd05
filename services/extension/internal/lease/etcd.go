package lease

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/switchboard-phone/switchboard/services/platform/clock"
	"github.com/switchboard-phone/switchboard/services/platform/etcdx"
)

// maxPerTxn bounds the keys of one transaction; etcd takes 128 operations by default.
const maxPerTxn = 64

// Etcd keeps leases in etcd. It is safe for concurrent use.
type Etcd struct {
	client *clientv3.Client
	keeper *etcdx.Keeper
	holder string
	clock  clock.Clock
}

// New returns leases for the replica called holder, bound to the sessions of keeper. clk tells the time that expiries are
// reckoned from.
func New(client *clientv3.Client, keeper *etcdx.Keeper, holder string, clk clock.Clock) *Etcd {
	return &Etcd{client: client, keeper: keeper, holder: holder, clock: clk}
}

// Epoch identifies the present session; 0 while there is none.
func (e *Etcd) Epoch() int64 {
	s := e.keeper.Current()
	if s == nil {
		return 0
	}
	select {
	case <-s.Done():
		return 0
	default:
		return int64(s.Lease())
	}
}

// Take leases all the blocks (at most 64, of one account) under the session epoch, and returns nil. When somebody holds one
// of them it takes none, and returns all blocks of the same ranges that anybody holds, with the session that each is bound to.
// A session that is over is an error.
func (e *Etcd) Take(ctx context.Context, epoch int64, blocks []Block) (map[Key]int64, error) {
	if len(blocks) > maxPerTxn {
		return nil, fmt.Errorf("lease %d blocks at once: %d are allowed", len(blocks), maxPerTxn)
	}
	var ifs []clientv3.Cmp
	var thens, elses []clientv3.Op
	ranges := map[uuid.UUID]bool{}
	for _, b := range blocks {
		val, err := json.Marshal(value{Holder: e.holder, Site: b.Site, From: b.From, To: b.To})
		if err != nil {
			return nil, fmt.Errorf("lease block: %w", err)
		}
		ifs = append(ifs, clientv3.Compare(clientv3.CreateRevision(b.path()), "=", 0))
		thens = append(thens, clientv3.OpPut(b.path(), string(val), clientv3.WithLease(clientv3.LeaseID(epoch))))
		if !ranges[b.Range] {
			ranges[b.Range] = true
			// Asked for keys only, etcd 3.7 does not tell the leases.
			elses = append(elses, clientv3.OpGet(rangePrefix(b.Account, b.Range), clientv3.WithPrefix()))
		}
	}
	res, err := e.client.Txn(ctx).If(ifs...).Then(thens...).Else(elses...).Commit()
	if err != nil {
		return nil, fmt.Errorf("lease blocks: %w", err)
	}
	if res.Succeeded {
		return nil, nil
	}
	return readTaken(res)
}

// readTaken reads who holds which blocks out of the answer to a failed Take.
func readTaken(res *clientv3.TxnResponse) (map[Key]int64, error) {
	out := map[Key]int64{}
	for _, r := range res.Responses {
		for _, kv := range r.GetResponseRange().GetKvs() {
			b, err := parseKey(string(kv.Key))
			if err != nil {
				return nil, err
			}
			out[b.Key()] = kv.Lease
		}
	}
	return out, nil
}

// GiveUp ends leases that were taken under epoch. Those that are another's by now are left alone.
func (e *Etcd) GiveUp(ctx context.Context, epoch int64, blocks []Block) error {
	for chunk := range slices.Chunk(blocks, maxPerTxn) {
		ok, err := e.remove(ctx, epoch, chunk)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		for _, b := range chunk {
			if _, err := e.remove(ctx, epoch, []Block{b}); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove deletes the keys of blocks if all of them are bound to epoch.
func (e *Etcd) remove(ctx context.Context, epoch int64, blocks []Block) (bool, error) {
	var ifs []clientv3.Cmp
	var thens []clientv3.Op
	for _, b := range blocks {
		ifs = append(ifs, clientv3.Compare(clientv3.LeaseValue(b.path()), "=", clientv3.LeaseID(epoch)))
		thens = append(thens, clientv3.OpDelete(b.path()))
	}
	res, err := e.client.Txn(ctx).If(ifs...).Then(thens...).Commit()
	if err != nil {
		return false, fmt.Errorf("give up blocks: %w", err)
	}
	return res.Succeeded, nil
}

// List returns up to limit leases of all accounts in the order of their keys, from the one that follows the key after (empty:
// from the first).
func (e *Etcd) List(ctx context.Context, after string, limit int) ([]Held, error) {
	from := prefix
	if after != "" {
		from = after + "\x00"
	}
	res, err := e.client.Get(ctx, from, clientv3.WithRange(clientv3.GetPrefixRangeEnd(prefix)), clientv3.WithLimit(int64(limit)))
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", err)
	}
	expiries := map[int64]time.Time{}
	out := make([]Held, 0, len(res.Kvs))
	for _, kv := range res.Kvs {
		h, err := readHeld(string(kv.Key), kv.Value)
		if err != nil {
			return nil, err
		}
		if h.Expire, err = e.expiry(ctx, kv.Lease, expiries); err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

func readHeld(key string, raw []byte) (Held, error) {
	b, err := parseKey(key)
	if err != nil {
		return Held{}, err
	}
	var v value
	if err := json.Unmarshal(raw, &v); err != nil {
		return Held{}, fmt.Errorf("lease %q: %w", key, err)
	}
	b.Site, b.From, b.To = v.Site, v.From, v.To
	return Held{Block: b, Holder: v.Holder, Key: key}, nil
}

// expiry says when a session ends unless it is renewed: now, when it has just ended. It asks once per session.
func (e *Etcd) expiry(ctx context.Context, id int64, known map[int64]time.Time) (time.Time, error) {
	if at, ok := known[id]; ok {
		return at, nil
	}
	ttl, err := e.client.TimeToLive(ctx, clientv3.LeaseID(id))
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for the time a lease has left: %w", err)
	}
	at := e.clock.Now().Add(time.Duration(max(ttl.TTL, 0)) * time.Second)
	known[id] = at
	return at, nil
}
