package admission

import "context"

// Take implements [store.Room]: it charges the next event, of n bytes, if there is memory for it. The event counts until
// Sent is called for it.
func (a *Account) Take(n int) bool {
	need := a.eventCharge(n)
	if need > 0 && !a.budget.events.Acquire(a.holder, need) {
		return false
	}
	a.addEvent(need)
	return true
}

// Wait implements [store.Room]: it charges the next event as Take does, once there is memory for it.
func (a *Account) Wait(ctx context.Context, n int) error {
	need := a.eventCharge(n)
	if need > 0 {
		if err := a.budget.events.wait(ctx, a.holder, need); err != nil {
			return err
		}
	}
	a.addEvent(need)
	return nil
}

// eventCharge returns what to charge for an event of n bytes.
func (a *Account) eventCharge(n int) int64 {
	need := answerCopies * int64(n)
	if need <= smallBytes {
		return 0
	}
	return min(need, a.budget.events.Max())
}

// Skip counts an event that needs no memory.
func (a *Account) Skip() {
	if a != nil {
		a.addEvent(0)
	}
}

func (a *Account) addEvent(charge int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, charge)
	if a.ended {
		a.closeLocked()
	}
}

// Sent reports that n more events have been sent, in the order in which they were read.
func (a *Account) Sent(n int) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var freed int64
	for _, charge := range a.events[:min(n, len(a.events))] {
		freed += charge
	}
	if a.events = a.events[min(n, len(a.events)):]; len(a.events) == 0 {
		a.events = nil
	}
	if freed > 0 {
		a.budget.events.release(a.holder, freed)
	}
}
