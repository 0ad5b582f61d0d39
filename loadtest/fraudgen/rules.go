package fraudgen

import _ "embed" // the rules are part of the package

//go:embed scenarios.yaml
var scenarios []byte

// Rules returns one rule document for each scenario, named as the scenario is.
// They read the streams of rules/catalog and take orders to be promised within
// DefaultDelivery.
func Rules() []byte { return append([]byte(nil), scenarios...) }
