package auth

import (
	"context"
	"time"
)

// guard is a call that lasts, and whose right to go on is looked at again and again.
type guard struct {
	p       *Principal
	request any // what it asked for
	end     context.CancelCauseFunc
}

// keep looks after g until it is released. Nil keys never change, and have nothing to look after.
func (k *Keys) keep(g *guard) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.guards[g] = struct{}{}
}

func (k *Keys) release(g *guard) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.guards, g)
}

// review ends the calls that may not go on: their key is not valid any more, or allows less than they need.
func (k *Keys) review(now time.Time) {
	set := k.set.Load()
	k.mu.Lock()
	defer k.mu.Unlock()
	for g := range k.guards {
		p := set.find(g.p.ID, g.p.hash, now)
		err := errNotValid
		if p != nil {
			err = p.may(g.request)
		}
		if err != nil {
			delete(k.guards, g)
			g.end(err)
		}
	}
}
