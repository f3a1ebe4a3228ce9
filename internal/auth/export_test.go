package auth

// Identify is identify, for tests.
func (k *Keys) Identify(h Headers, peer string) (*Principal, error) { return k.identify(h, peer) }
