package api

// Sinks tells how the sinks of this process are doing.
type Sinks interface {
	// Sink returns false for a sink that is not at work here.
	Sink(name string) (Delivery, bool)
}

// A Delivery says how a sink is doing at this instance. Numbers are since the
// instance began with this revision.
type Delivery struct {
	Instance  string `json:"instance"`
	State     string `json:"state"`              // delivering | retrying | stopped
	Error     string `json:"error,omitempty"`    // why it is not delivering
	Attempts  int    `json:"attempts,omitempty"` // that failed in a row
	Lag       int64  `json:"lag"`                // records that are not done with, as last seen
	Held      int    `json:"held"`               // alerts that wait to be final
	Delivered uint64 `json:"delivered"`
	Rejected  uint64 `json:"rejected"` // and set aside as dead letters
	Silenced  uint64 `json:"silenced"`
	Replaced  uint64 `json:"replaced"` // by a newer version, while they waited
}

// deliveryOf returns nil for a sink that is not at work here.
func (s *server) deliveryOf(name string) *Delivery {
	if s.sinks == nil {
		return nil
	}
	d, ok := s.sinks.Sink(name)
	if !ok {
		return nil
	}
	return &d
}
